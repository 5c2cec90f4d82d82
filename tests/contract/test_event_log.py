"""What every event log keeps its word on: no gaps, nothing twice, one writer at a time."""

from __future__ import annotations

import asyncio
import json
from typing import cast

import pytest

from kaiwa.domain.events import (
    MemberLeft,
    Presence,
    ReplyDelta,
    UtteranceFinal,
)
from kaiwa.domain.ids import EventId, UtteranceId
from kaiwa.errors import Conflict, NotFound, TakenOver, TooMuch
from kaiwa.ports.clip_store import ClipFormat
from kaiwa.ports.event_log import Advance
from tests.contract.logs import CAPTURE, NOWHERE, Kept, said
from tests.sounds import speech


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


async def test_an_utterance_is_found_as_it_was_first_said(kept: Kept) -> None:
    event = said("雨", "u-7")
    await kept.log.append(kept.talk, event)
    assert await kept.log.utterance(kept.talk, UtteranceId("u-7")) == event
    for talk, name in ((kept.other, "u-7"), (kept.talk, "u-8")):
        with pytest.raises(NotFound):
            await kept.log.utterance(talk, UtteranceId(name))
    await kept.log.append(kept.talk, MemberLeft(participant="u-8"))
