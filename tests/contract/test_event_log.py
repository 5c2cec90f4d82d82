"""What every event log keeps its word on: no gaps, nothing twice, one writer at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import cast

import pytest

from kaiwa.adapters.memory.event_log import MemoryEventLog
from kaiwa.adapters.postgres.accounts import PostgresAccounts
from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.event_log import PostgresEventLog
from kaiwa.adapters.postgres.recordings import PostgresRecordings
from kaiwa.adapters.postgres.talks import PostgresTalks
from kaiwa.adapters.postgres.wakeups import PostgresWakeups
from kaiwa.domain.events import (
    MemberLeft,
    Presence,
    ReplyClause,
    ReplyDelta,
    ReplyFinished,
    ReplyStarted,
    UtteranceFinal,
)
from kaiwa.domain.ids import CaptureId, EventId, ReplyId, TalkId, UserId, UtteranceId
from kaiwa.domain.talk import TalkSettings
from kaiwa.errors import Conflict, NotFound, TakenOver, TooMuch
from kaiwa.policy.playing import DEVICES
from kaiwa.ports.clip_store import ClipFormat
from kaiwa.ports.event_log import Advance, EventLog
from kaiwa.ports.recordings import Recordings
from kaiwa.ports.wakeup import Wakeups
from tests.sounds import speech

CAPTURE = CaptureId("capture-1")
NOWHERE = TalkId("nowhere")


@dataclass
class Kept:
    """A log with two talks of two users, who are people it may refer to."""

    log: EventLog
    wakeups: Wakeups
    talk: TalkId
    other: TalkId
    mari: UserId
    ken: UserId
    recordings: Recordings
    record: Callable[[bool], Awaitable[None]]
    """Switch the recording of the talk."""
    lose_owners: Callable[[], Awaitable[None]]
    """Let every lease of a reply or a floor run out."""

    async def new_events(self, after: int) -> list[tuple[int, str]]:
        return [(r.seq, r.event.type) for r in await self.log.read(self.talk, after)]


@pytest.fixture
def in_memory() -> Kept:
    log = MemoryEventLog()
    ids = TalkId("talk"), TalkId("other"), UserId("mari"), UserId("ken")
    log.add_talk(ids[0])
    log.add_talk(ids[1])

    async def forget() -> None:
        log.orphan_replies()
        log.lose_floors()

    async def record(on: bool) -> None:
        log.recording[ids[0]] = on

    return Kept(log, log, *ids, log, record, forget)


@pytest.fixture
async def in_postgres(database: Database) -> AsyncIterator[Kept]:
    async def age() -> None:
        async with database.connection() as connection:
            for table in ("replies", "floors"):
                await connection.execute(
                    f"UPDATE {table} SET renewed_at = now() - interval '1 minute'"  # noqa: S608
                )

    accounts, talks = PostgresAccounts(database), PostgresTalks(database)
    mari, ken = await accounts.register("まり", None), await accounts.register("Ken", None)
    one = await talks.create(mari, TalkSettings(), None)
    two = await talks.create(ken, TalkSettings(), None)

    async def record(on: bool) -> None:
        await talks.update(one.id, mari.id, {"recording": on})

    recordings = PostgresRecordings(database)
    async with PostgresWakeups.run(database.url) as wakeups:
        log = PostgresEventLog(database)
        ids = one.id, two.id, mari.id, ken.id
        yield Kept(log, wakeups, *ids, recordings, record, age)


@pytest.fixture(params=["in_memory", "in_postgres"])
def kept(request: pytest.FixtureRequest) -> Kept:
    log: Kept = request.getfixturevalue(request.param)
    return log


def said(text: str, utterance: str = "u-1", capture: str | None = None) -> UtteranceFinal:
    return UtteranceFinal(
        utterance_id=utterance,
        participant="mari",
        name="まり",
        text=text,
        language="ja",
        started_ms=0,
        ended_ms=500,
        capture=capture,
    )


def clause(reply: str, index: int, text: str) -> ReplyClause:
    return ReplyClause(reply_id=reply, index=index, text=text, start=0, end=len(text))


async def test_many_writers_leave_no_gap(kept: Kept) -> None:
    start = await kept.log.head(kept.talk)

    async def write(name: int) -> list[int]:
        return [(await kept.log.append(kept.talk, said(f"{name}-{n}"))).seq for n in range(5)]

    seqs = await asyncio.gather(*(write(name) for name in range(8)))
    assert sorted(seq for some in seqs for seq in some) == list(range(start + 1, start + 41))
    assert await kept.log.head(kept.talk) == start + 40
    events = await kept.log.read(kept.talk, start)
    assert [r.seq for r in events] == list(range(start + 1, start + 41))
    assert len({r.event.text for r in events if isinstance(r.event, UtteranceFinal)}) == 40


async def test_an_event_id_is_written_once(kept: Kept) -> None:
    key = EventId("key")
    first = await kept.log.append(kept.talk, said("はい"), event_id=key)
    assert await kept.log.append(kept.talk, said("いいえ"), event_id=key) == first
    assert await kept.log.head(kept.talk) == first.seq
    both = await asyncio.gather(
        *(kept.log.append(kept.talk, said("x"), event_id=EventId("race")) for _ in range(4))
    )
    assert {r.seq for r in both} == {first.seq + 1}


async def test_reading_begins_behind_the_cursor_and_ends_at_the_limit(kept: Kept) -> None:
    start = await kept.log.head(kept.talk)
    for text in "一二三四":
        await kept.log.append(kept.talk, said(text))
    page = await kept.log.read(kept.talk, start + 1, 2)
    texts = [r.event.text for r in page if isinstance(r.event, UtteranceFinal)]
    assert (texts, [r.seq for r in page]) == (["二", "三"], [start + 2, start + 3])
    assert await kept.log.read(kept.talk, start + 4) == []
    assert await kept.log.read(kept.other, await kept.log.head(kept.other)) == []


async def test_a_talk_that_is_not_there(kept: Kept) -> None:
    with pytest.raises(NotFound):
        await kept.log.append(NOWHERE, said("x"))
    with pytest.raises(NotFound):
        await kept.log.append(NOWHERE, said("x"), event_id=EventId("e"))
    with pytest.raises(NotFound):
        await kept.log.head(NOWHERE)
    with pytest.raises(NotFound):
        await kept.log.claim_reply(NOWHERE, cause="x", owner="me", name="AI")
    with pytest.raises(NotFound):
        await kept.log.open_capture(NOWHERE, kept.mari, CAPTURE)


async def test_what_is_told_is_heard_and_not_kept(kept: Kept) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    head = await kept.log.head(kept.talk)
    await kept.wakeups.listen(kept.talk, heard.put_nowait)
    await kept.log.tell(kept.other, Presence(participant="ken", name="Ken", state="here"))
    await kept.log.tell(kept.talk, Presence(participant="mari", name="まり", state="here"))
    told = json.loads(await heard.get())
    assert (told["type"], told["name"], "seq" in told) == ("presence", "まり", False)
    assert await kept.log.head(kept.talk) == head
    await kept.wakeups.unlisten(kept.talk, heard.put_nowait)


async def test_an_append_wakes_with_the_event_itself(kept: Kept) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await kept.wakeups.listen(kept.talk, heard.put_nowait)
    recorded = await kept.log.append(kept.talk, said("はい"))
    values = json.loads(await heard.get())
    assert (values["seq"], values["type"], values["text"]) == (
        recorded.seq,
        "utterance.final",
        "はい",
    )


async def test_a_large_event_is_hinted_and_read(kept: Kept) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await kept.wakeups.listen(kept.talk, heard.put_nowait)
    recorded = await kept.log.append(kept.talk, said("長" * 4_000))
    assert json.loads(await heard.get()) == {"seq": recorded.seq}
    assert await kept.log.read(kept.talk, recorded.seq - 1) == [recorded]
    with pytest.raises(TooMuch):
        await kept.log.tell(kept.talk, ReplyDelta(reply_id="r", offset=0, text="長" * 4_000))


async def test_each_connection_of_a_capture_takes_an_epoch(kept: Kept) -> None:
    first = await kept.log.open_capture(kept.talk, kept.mari, CAPTURE)
    assert (first.epoch, first.offset, first.utterances) == (1, 0, 0)
    second = await kept.log.open_capture(kept.talk, kept.mari, CAPTURE)
    assert (second.epoch, second.started_ms) == (2, first.started_ms)
    assert await kept.log.capture(kept.talk, CAPTURE) == second


async def test_anothers_capture_is_a_conflict(kept: Kept) -> None:
    await kept.log.open_capture(kept.talk, kept.mari, CAPTURE)
    with pytest.raises(Conflict):
        await kept.log.open_capture(kept.talk, kept.ken, CAPTURE)
    with pytest.raises(Conflict):
        await kept.log.open_capture(kept.other, kept.mari, CAPTURE)
    with pytest.raises(NotFound):
        await kept.log.capture(kept.other, CAPTURE)
    assert (await kept.log.capture(kept.talk, CAPTURE)).epoch == 1


async def test_an_utterance_and_its_offset_are_stored_together(kept: Kept) -> None:
    capture = await kept.log.open_capture(kept.talk, kept.mari, CAPTURE)
    event = said("はい", capture=CAPTURE)
    advance = Advance(capture, 8_000, 1)
    first = await kept.log.append(kept.talk, event, event_id=EventId("u-1"), advance=advance)
    now = await kept.log.capture(kept.talk, CAPTURE)
    assert (now.offset, now.utterances) == (8_000, 1)
    again = await kept.log.append(kept.talk, event, event_id=EventId("u-1"), advance=advance)
    assert again == first  # the answer to the COMMIT was lost


async def test_sound_is_kept_with_its_utterance_while_the_talk_is_recorded(kept: Kept) -> None:
    sound = speech(600, 400)

    async def heard(utterance: str) -> UtteranceFinal:
        event = said("はい", utterance)
        recorded = await kept.log.append(kept.talk, event, event_id=EventId(utterance), sound=sound)
        assert (await kept.log.read(kept.talk, recorded.seq - 1)) == [recorded]
        assert isinstance(recorded.event, UtteranceFinal)
        return recorded.event

    assert not (await heard("before")).recorded
    await kept.record(True)
    assert (await heard("during")).recorded
    assert (await heard("during")).recorded  # the answer to the COMMIT was lost
    await kept.record(False)
    assert not (await heard("after")).recorded

    during = UtteranceId("during")
    assert len(await kept.recordings.sound(kept.talk, during)) == len(sound)
    for media_type, magic in (("audio/wav", b"RIFF"), ("audio/ogg", b"OggS")):
        clip = await kept.recordings.find(kept.talk, during, cast(ClipFormat, media_type))
        assert (clip.media_type, clip.data[:4]) == (media_type, magic)
    for talk, utterance in ((kept.talk, "before"), (kept.talk, "after"), (kept.other, "during")):
        with pytest.raises(NotFound):
            await kept.recordings.sound(talk, UtteranceId(utterance))


@pytest.mark.parametrize("stale", ["epoch", "offset"])
async def test_a_stale_connection_writes_nothing(kept: Kept, stale: str) -> None:
    old = await kept.log.open_capture(kept.talk, kept.mari, CAPTURE)
    if stale == "epoch":
        now = await kept.log.open_capture(kept.talk, kept.mari, CAPTURE)
    else:
        now = await kept.log.move(Advance(old, 4_000, 0))
    head = await kept.log.head(kept.talk)
    with pytest.raises(TakenOver):
        await kept.log.append(kept.talk, said("x"), advance=Advance(old, 8_000, 1))
    with pytest.raises(TakenOver):
        await kept.log.move(Advance(old, 8_000, 0))
    assert await kept.log.head(kept.talk) == head
    assert await kept.log.capture(kept.talk, CAPTURE) == now
    follows = await kept.log.append(kept.talk, said("y"))
    assert follows.seq == head + 1


async def test_a_move_whose_answer_was_lost_can_be_made_again(kept: Kept) -> None:
    capture = await kept.log.open_capture(kept.talk, kept.mari, CAPTURE)
    moved = await kept.log.move(Advance(capture, 4_000, 0))
    assert await kept.log.move(Advance(capture, 4_000, 0)) == moved


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


async def test_an_utterance_is_found_as_it_was_first_said(kept: Kept) -> None:
    event = said("雨", "u-7")
    await kept.log.append(kept.talk, event)
    assert await kept.log.utterance(kept.talk, UtteranceId("u-7")) == event
    for talk, name in ((kept.other, "u-7"), (kept.talk, "u-8")):
        with pytest.raises(NotFound):
            await kept.log.utterance(talk, UtteranceId(name))
    await kept.log.append(kept.talk, MemberLeft(participant="u-8"))
