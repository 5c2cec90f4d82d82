"""What every event log keeps its word on with replies and floors: one owner at a time."""

from __future__ import annotations

import asyncio

import pytest

from kaiwa.domain.events import (
    ReplyFinished,
    ReplyStarted,
)
from kaiwa.domain.ids import EventId, ReplyId, UserId
from kaiwa.errors import NotFound, TakenOver
from kaiwa.policy.playing import DEVICES
from tests.contract.logs import NOWHERE, Kept, clause


async def test_one_reply_at_a_time(kept: Kept) -> None:
    head = await kept.log.head(kept.talk)
    claims = await asyncio.gather(
        *(kept.log.claim_reply(kept.talk, cause="x", owner=str(n), name="AI") for n in range(4))
    )
    assert len({claim.reply_id for claim in claims}) == 1
    assert sorted(claim.mine for claim in claims) == [False, False, False, True]
    assert await kept.new_events(head) == [(head + 1, "reply.started")]
    reply = claims[0].reply_id
    assert await kept.log.reply_going_on(kept.talk) == reply
    done = ReplyFinished(reply_id=reply, status="complete", text="")
    await kept.log.append(kept.talk, done)
    assert await kept.log.reply_going_on(kept.talk) is None
    after = await kept.log.claim_reply(kept.talk, cause="x", owner="me", name="AI")
    assert (after.mine, after.generation) == (True, claims[0].generation + 1)


async def test_the_same_key_claims_the_same_reply_even_when_it_is_over(kept: Kept) -> None:
    key = EventId("k")
    first = await kept.log.claim_reply(kept.talk, cause="x", owner="me", name="AI", key=key)
    done = ReplyFinished(reply_id=first.reply_id, status="complete", text="")
    await kept.log.append(kept.talk, done)
    again = await kept.log.claim_reply(kept.talk, cause="x", owner="me", name="AI", key=key)
    assert (again.reply_id, again.mine) == (first.reply_id, False)


async def test_a_reply_whose_owner_is_gone_is_closed_with_its_clauses(kept: Kept) -> None:
    first = await kept.log.claim_reply(kept.talk, cause="x", owner="dead", name="AI")
    for n, text in enumerate(["はい、", "そう。"]):
        await kept.log.append(kept.talk, clause(first.reply_id, n, text))
    assert await kept.log.close_orphans() == 0
    await kept.lose_owners()
    second = await kept.log.claim_reply(kept.talk, cause="x", owner="me", name="AI")
    assert second.mine and second.reply_id != first.reply_id
    *_, closed, started = await kept.log.read(kept.talk, 0)
    assert isinstance(closed.event, ReplyFinished) and isinstance(started.event, ReplyStarted)
    assert (closed.event.reply_id, closed.event.status) == (first.reply_id, "interrupted")
    assert closed.event.text == "はい、そう。"
    await kept.lose_owners()
    assert await kept.log.close_orphans() == 1
    assert await kept.log.reply_going_on(kept.talk) is None


async def test_a_floor_has_one_owner_until_its_lease_runs_out(kept: Kept) -> None:
    log, talk = kept.log, kept.talk
    assert await log.take_floor(talk, "me") == 1
    assert await log.take_floor(talk, "me") == 1
    assert await log.take_floor(talk, "other") is None
    assert await log.renew_floors("me", [talk, kept.other]) == {talk}
    assert await log.renew_floors("other", [talk]) == set()
    await kept.lose_owners()
    assert await log.take_floor(talk, "other") == 2
    assert await log.renew_floors("me", [talk]) == set()
    await log.release_floor(talk, "me")  # not its own: nothing happens
    assert await log.take_floor(talk, "me") is None
    await log.release_floor(talk, "other")
    assert await log.take_floor(talk, "me") == 3


async def test_a_new_owner_of_the_floor_closes_the_reply_of_the_last(kept: Kept) -> None:
    log, talk = kept.log, kept.talk
    fence = await log.take_floor(talk, "me")
    lost = await log.claim_reply(talk, cause="x", owner="me", name="AI", fence=fence)
    await log.append(talk, clause(lost.reply_id, 0, "はい、"))
    await kept.lose_owners()
    assert await log.take_floor(talk, "other") == 2
    closed = (await log.read(talk, 0))[-1].event
    assert isinstance(closed, ReplyFinished)
    assert (closed.status, closed.text) == ("interrupted", "はい、")
    with pytest.raises(TakenOver):
        await log.append(talk, clause(lost.reply_id, 1, "そう。"))
    with pytest.raises(TakenOver):
        await log.claim_reply(talk, cause="x", owner="me", name="AI", fence=fence)
    assert (await log.claim_reply(talk, cause="x", owner="other", name="AI", fence=2)).mine


async def test_nobody_takes_the_floor_of_no_talk(kept: Kept) -> None:
    with pytest.raises(NotFound):
        await kept.log.take_floor(NOWHERE, "me")


@pytest.mark.parametrize("what", ["clause", "finish"])
async def test_who_lost_a_reply_writes_nothing_more_of_it(kept: Kept, what: str) -> None:
    lost = await kept.log.claim_reply(kept.talk, cause="x", owner="me", name="AI")
    done = ReplyFinished(reply_id=lost.reply_id, status="complete", text="")
    await kept.log.append(kept.talk, done)
    await kept.log.claim_reply(kept.talk, cause="x", owner="me", name="AI")
    head = await kept.log.head(kept.talk)
    with pytest.raises(TakenOver):
        late = clause(lost.reply_id, 0, "はい") if what == "clause" else done
        await kept.log.append(kept.talk, late)
    assert await kept.log.head(kept.talk) == head


async def test_a_finish_whose_answer_was_lost_can_be_sent_again(kept: Kept) -> None:
    claim = await kept.log.claim_reply(kept.talk, cause="x", owner="me", name="AI")
    done = ReplyFinished(reply_id=claim.reply_id, status="complete", text="はい")
    first = await kept.log.append(kept.talk, done, event_id=EventId("f"))
    assert await kept.log.append(kept.talk, done, event_id=EventId("f")) == first


async def test_the_clauses_of_a_reply_are_its_own_and_in_order(kept: Kept) -> None:
    claim = await kept.log.claim_reply(kept.talk, cause="x", owner="me", name="AI")
    for n, text in enumerate("一二三"):
        await kept.log.append(kept.talk, clause(claim.reply_id, n, text))
    assert [c.text for c in await kept.log.clauses(kept.talk, claim.reply_id)] == list("一二三")
    assert await kept.log.clauses(kept.talk, ReplyId("other")) == []
    await kept.log.renew_replies("me", [claim.reply_id])


async def test_a_person_reports_what_was_heard_from_a_few_devices(kept: Kept) -> None:
    claim = await kept.log.claim_reply(kept.talk, cause="x", owner="me", name="AI")

    async def report(user: UserId, device: str, reply: ReplyId = claim.reply_id) -> None:
        await kept.log.put_heard(kept.talk, reply, user, device, 1, 200)

    for n in range(DEVICES):
        await report(kept.mari, f"device-{n}")
    await report(kept.mari, "device-0")
    with pytest.raises(NotFound):
        await report(kept.mari, "one-more")
    await report(kept.ken, "one-more")
    with pytest.raises(NotFound):
        await report(kept.ken, "device-0", ReplyId("nobody's"))
