"""Readers get every event once and in order, whatever becomes of the wake-ups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from kaiwa.adapters.memory.event_log import MemoryEventLog
from kaiwa.domain.events import Presence, Recorded, UtteranceFinal
from kaiwa.domain.ids import TalkId
from kaiwa.errors import NotFound
from kaiwa.pipeline import fan_out
from kaiwa.pipeline.fan_out import FanOut, Item, Ready, TooSlow
from tests.fakes.reading import flat, one_by_one, reading
from tests.fakes.utterances import said

TALK = TalkId("talk")


class Log(MemoryEventLog):
    """Its wake-ups can be lost, or made by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.deaf = False
        self.reads = 0
        self.refused = asyncio.Event()
        self.looked = asyncio.Event()
        self.add_talk(TALK)

    def send(self, payload: str) -> None:
        for on_payload in tuple(self._readers[TALK]):
            on_payload(payload)

    @property
    def listeners(self) -> int:
        return len(self._readers[TALK])

    async def say(self, text: str) -> None:
        await self.append(TALK, said(text))

    async def read(self, talk: TalkId, after: int, limit: int = 500) -> list[Recorded]:
        self.reads += 1
        return await super().read(talk, after, limit)

    async def heads(self, talks: Sequence[TalkId]) -> dict[TalkId, int]:
        self.looked.set()
        return await super().heads(talks)

    def _wake(self, talk: TalkId, payload: str) -> None:
        if not self.deaf:
            super()._wake(talk, payload)

    def _up(self) -> None:
        if self.down:
            self.refused.set()
        super()._up()


@pytest.fixture
def log() -> Log:
    return Log()


async def texts(items: AsyncIterator[Item], count: int) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        item = await anext(items)
        if isinstance(item, Recorded) and isinstance(item.event, UtteranceFinal):
            found.append(item.event.text)
    return found


async def until_ready(items: AsyncIterator[Item]) -> int:
    while not isinstance(item := await anext(items), Ready):
        pass
    return item.seq


async def test_the_backlog_then_ready_then_what_happens(log: Log) -> None:
    await log.say("一")
    await log.say("二")
    async with reading(log, log, TALK, 1) as items:
        assert await texts(items, 1) == ["二"]
        assert await anext(items) == Ready(2)
        reads = log.reads
        await log.say("三")
        await log.tell(TALK, Presence(participant="ken", name="Ken", state="here"))
        assert await texts(items, 1) == ["三"]
        presence = await anext(items)
        assert isinstance(presence, Presence) and presence.name == "Ken"
        assert log.reads == reads  # the payload was the very next event
    assert log.listeners == 0


async def test_a_long_backlog_is_read_in_pages(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out, "PAGE", 2)
    for text in "一二三四五":
        await log.say(text)
    async with reading(log, log, TALK, 0) as items:
        assert await texts(items, 5) == list("一二三四五")
        assert await until_ready(items) == 5


async def test_an_event_during_the_backlog_comes_once(log: Log) -> None:
    async with reading(log, log, TALK, 0) as items:
        await log.say("一")  # listening has begun, reading has not
        assert await texts(items, 1) == ["一"]
        assert await until_ready(items) == 1
        await log.say("二")
        assert await texts(items, 1) == ["二"]


async def test_a_gap_is_read_from_the_rows(log: Log) -> None:
    async with reading(log, log, TALK, 0) as items:
        await until_ready(items)
        log.deaf = True
        await log.say("一")
        log.deaf = False
        await log.say("二")
        assert await texts(items, 2) == ["一", "二"]


@pytest.mark.parametrize("hint", ['{"seq": 1}', ""])
async def test_a_hint_or_a_reconnect_reads_the_rows(log: Log, hint: str) -> None:
    async with reading(log, log, TALK, 0) as items:
        await until_ready(items)
        log.deaf = True
        await log.say("一")
        log.send(hint)
        assert await texts(items, 1) == ["一"]


async def test_a_lost_wake_up_is_made_good_by_the_timer(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out, "SLOW_TIMER_S", 0.01)
    async with reading(log, log, TALK, 0) as items:
        await until_ready(items)
        log.deaf = True
        await log.say("一")
        assert await texts(items, 1) == ["一"]


@pytest.mark.parametrize(
    "foreign",
    [
        "no json",
        "[1, 2]",
        "null",
        '{"type": "of another version"}',
        '{"type": "utterance.final", "seq": 1}',
        '{"seq": "one"}',
        '{"type": "presence", "state": 7}',
    ],
)
async def test_a_strangers_payload_is_no_event(log: Log, foreign: str) -> None:
    async with reading(log, log, TALK, 0) as items:
        await until_ready(items)
        log.send(foreign)
        await log.say("一")
        assert await texts(items, 1) == ["一"]


async def test_who_does_not_keep_up_is_cut_off(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out, "QUEUE_SIZE", 3)
    async with reading(log, log, TALK, 0) as items:
        await until_ready(items)
        for text in "一二三四":
            await log.say(text)
        with pytest.raises(TooSlow):
            await texts(items, 4)
    async with reading(log, log, TALK, 0) as items:
        assert await texts(items, 4) == list("一二三四")


async def test_a_slow_reader_slows_nobody_else(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out, "QUEUE_SIZE", 2)
    async with (
        FanOut.run(log, log) as together,
        one_by_one(together, TALK, 0) as slow,
        one_by_one(together, TALK, 0) as quick,
    ):
        await until_ready(slow)
        await until_ready(quick)
        for text in "一二三四":
            await log.say(text)
            assert await texts(quick, 1) == [text]
        with pytest.raises(TooSlow):
            await texts(slow, 1)


async def test_readers_that_are_woken_together_read_once(log: Log) -> None:
    async with (
        FanOut.run(log, log) as together,
        one_by_one(together, TALK, 0) as one,
        one_by_one(together, TALK, 0) as two,
    ):
        await until_ready(one)
        await until_ready(two)
        log.deaf = True
        await log.say("一")
        reads = log.reads
        log.send("")
        found = await asyncio.gather(texts(one, 1), texts(two, 1))
        assert [*found] == [["一"], ["一"]]
        assert log.reads == reads + 1


async def test_readers_of_a_talk_get_the_same_object(log: Log) -> None:
    async with (
        FanOut.run(log, log) as together,
        one_by_one(together, TALK, 0) as one,
        one_by_one(together, TALK, 0) as two,
    ):
        await until_ready(one)
        await until_ready(two)
        await log.say("一")
        assert await anext(one) is await anext(two)


async def test_a_database_that_goes_away_is_waited_for(log: Log) -> None:
    async with reading(log, log, TALK, 0) as items:
        await until_ready(items)
        log.deaf = True
        await log.say("一")
        log.down = True
        late = asyncio.create_task(texts(items, 1))
        log.send("")
        await log.refused.wait()
        log.down = False
        log.send("")
        assert await late == ["一"]


async def test_a_database_that_is_away_at_first_is_waited_for(log: Log) -> None:
    await log.say("一")
    log.down = True
    async with reading(log, log, TALK, 0) as items:
        late = asyncio.create_task(texts(items, 1))
        await log.refused.wait()
        log.down = False
        log.send("")
        assert await late == ["一"]


async def test_no_such_talk(log: Log) -> None:
    async with reading(log, log, TalkId("nowhere"), 0) as items:
        with pytest.raises(NotFound):
            await anext(items)


async def test_a_cursor_from_the_future_is_the_newest(log: Log) -> None:
    await log.say("一")
    async with reading(log, log, TALK, 10**30) as items:
        assert await until_ready(items) == 1
        await log.say("二")
        assert await texts(items, 1) == ["二"]


async def test_a_crowd_is_handed_what_came_together(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out, "CROWD", 2)
    monkeypatch.setattr(fan_out, "PAUSE_EACH_S", 0.02)
    async with (
        FanOut.run(log, log) as together,
        together.subscribe(TALK, 0) as one,
        together.subscribe(TALK, 0) as two,
    ):
        assert await anext(one) == await anext(two) == (Ready(0),)
        await log.say("一")
        assert len(await anext(one)) == 1  # at once
        await log.say("二")
        await log.say("三")
        assert [item.seq for item in await anext(one) if isinstance(item, Recorded)] == [2, 3]
        assert await texts(flat(two), 3) == ["一", "二", "三"]


async def test_what_cannot_be_read_ends_its_readers_and_nothing_else(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FanOut.run(log, log) as together:
        async with (
            one_by_one(together, TALK, 0) as one,
            one_by_one(together, TALK, 0) as two,
        ):
            await until_ready(one)
            await until_ready(two)
            monkeypatch.setattr(log, "read", unreadable)
            log.send("")
            for items in (one, two):
                with pytest.raises(ValueError, match="of another version"):
                    await anext(items)
        monkeypatch.undo()
        async with one_by_one(together, TALK, 0) as items:
            await log.say("一")
            assert await texts(items, 1) == ["一"]


async def test_the_slow_timer_reads_only_what_is_behind(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out, "SLOW_TIMER_S", 0.01)
    async with reading(log, log, TALK, 0) as items:
        await until_ready(items)
        reads = log.reads
        for _ in range(3):
            log.looked.clear()
            await log.looked.wait()
        assert log.reads == reads


async def unreadable(*_: object) -> list[Recorded]:
    raise ValueError("of another version")
