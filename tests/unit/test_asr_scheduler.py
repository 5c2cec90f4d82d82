"""Who decodes next: finals first, nothing that nobody waits for."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import pytest_asyncio

from kaiwa.adapters.asr_whisper.engine import Stopper
from kaiwa.adapters.asr_whisper.scheduler import Scheduler
from kaiwa.adapters.asr_whisper.segment import LONGEST_SEGMENT, WhisperSegment
from kaiwa.adapters.asr_whisper.transcriber import Known, Transcriber
from kaiwa.domain.audio import Samples
from kaiwa.domain.speech import Partial, Transcript
from kaiwa.errors import RecogniserDown

DEADLINE_S = 60  # nothing here takes long; this only keeps a broken test from hanging


class SlowTranscriber:
    """Says how many samples it was given; each decode waits for a `go`."""

    def __init__(self) -> None:
        self.decoded: list[str] = []
        self.stoppers: list[SimpleNamespace] = []
        self.failure: Exception | None = None
        self._go = threading.Semaphore(0)

    def go(self, decodes: int = 1) -> None:
        self._go.release(decodes)

    def stopper(self) -> Stopper:
        self.stoppers.append(SimpleNamespace(terminate=False))
        return self.stoppers[-1]

    def partial(
        self, samples: Samples, known: Known, prompt: str, stopper: Stopper
    ) -> Partial | None:
        return Partial(self._decode(f"partial {prompt}{len(samples)}"))

    def final(self, samples: Samples, known: Known, prompt: str) -> Transcript:
        return Transcript(self._decode(f"final {prompt}{len(samples)}"), "ja")

    def _decode(self, text: str) -> str:
        assert self._go.acquire(timeout=DEADLINE_S)
        self.decoded.append(text)
        if self.failure:
            raise self.failure
        return text


class Room:
    """A scheduler, its slow transcriber, and segments named by a letter."""

    def __init__(self, at_once: int = 1) -> None:
        self.scheduler = Scheduler(at_once)
        self.transcriber = SlowTranscriber()

    def segment(self, name: str) -> WhisperSegment:
        transcriber = cast(Transcriber, self.transcriber)
        return WhisperSegment(self.scheduler, transcriber, "ja", name)


@pytest_asyncio.fixture
async def room() -> AsyncIterator[Room]:
    room = Room()
    yield room
    room.transcriber.go(100)
    await room.scheduler.close()


def sound(samples: int) -> Samples:
    return np.zeros(samples, np.int16)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_finals_go_before_partials_that_waited_longer(room: Room) -> None:
    a, b, c = room.segment("a"), room.segment("b"), room.segment("c")
    for segment in (a, b, c):
        segment.feed(sound(1))
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        for call in (a.partial(), b.partial(), c.final()):
            tasks.create_task(call)
            await settle()
        room.transcriber.go(3)

    assert room.transcriber.decoded == ["partial a1", "final c1", "partial b1"]


async def test_a_partial_decodes_what_is_there_when_its_turn_comes(room: Room) -> None:
    a, b = room.segment("a"), room.segment("b")
    a.feed(sound(1))
    b.feed(sound(1))
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(a.partial())
        waiting = tasks.create_task(b.partial())
        await settle()
        b.feed(sound(4))
        room.transcriber.go(2)

    assert waiting.result() == Partial("partial b5")
    assert await b.partial() is None


async def test_a_final_does_not_wait_for_a_partial_where_two_are_decoded_at_once() -> None:
    room = Room(at_once=2)
    a = room.segment("a")
    a.feed(sound(1))
    partial = asyncio.ensure_future(a.partial())
    await settle()
    a.feed(sound(1))
    final = asyncio.ensure_future(a.final())
    await settle()
    room.transcriber.go(2)
    assert (await final).text == "final a2"
    assert (await partial) == Partial("partial a1")
    await room.scheduler.close()


async def test_a_newer_partial_replaces_the_one_that_waits(room: Room) -> None:
    a, b = room.segment("a"), room.segment("b")
    a.feed(sound(1))
    b.feed(sound(1))
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(a.partial())
        await settle()
        older = tasks.create_task(b.partial())
        await settle()
        newer = tasks.create_task(b.partial())
        await settle()
        room.transcriber.go(2)

    assert older.result() is None
    assert newer.result() == Partial("partial b1")


async def test_a_final_makes_its_own_partials_pointless(room: Room) -> None:
    a, b = room.segment("a"), room.segment("b")
    a.feed(sound(1))
    b.feed(sound(1))
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(a.partial())
        await settle()
        waiting = tasks.create_task(b.partial())
        await settle()
        final = tasks.create_task(b.final())
        await settle()
        assert await waiting is None
        assert await b.partial() is None
        room.transcriber.go(2)

    assert final.result().text == "final b1"


async def test_the_eager_final_is_shared_until_more_is_fed(room: Room) -> None:
    a = room.segment("a")
    a.feed(sound(1))
    room.transcriber.go(2)
    async with asyncio.timeout(DEADLINE_S):
        eager = await a.final(last=False)
        assert await a.final() is eager
        a.feed(sound(1))
        assert (await a.final()).text == "final a2"

    assert room.transcriber.decoded == ["final a1", "final a2"]


async def test_a_cancelled_wait_withdraws_what_has_not_begun(room: Room) -> None:
    a, b = room.segment("a"), room.segment("b")
    a.feed(sound(1))
    b.feed(sound(1))
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(a.final())
        await settle()
        waiting = tasks.create_task(b.final(last=False))
        await settle()
        waiting.cancel()
        await settle()
        b.feed(sound(1))
        again = tasks.create_task(b.final())
        await settle()
        room.transcriber.go(2)

    assert again.result().text == "final b2"
    assert room.transcriber.decoded == ["final a1", "final b2"]


async def test_a_partial_that_nobody_waits_for_is_stopped(room: Room) -> None:
    a = room.segment("a")
    a.feed(sound(1))
    asked = asyncio.ensure_future(a.partial())
    await settle()
    asked.cancel()
    await settle()
    [stopper] = room.transcriber.stoppers
    assert stopper.terminate


async def test_an_eager_final_waits_its_turn_until_it_is_the_last(room: Room) -> None:
    a, b, c = room.segment("a"), room.segment("b"), room.segment("c")
    for segment in (a, b, c):
        segment.feed(sound(1))
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        for waiting in (a.partial(), b.partial(), c.final(last=False), a.final(last=False)):
            tasks.create_task(waiting)
            await settle()
        tasks.create_task(a.final())
        await settle()
        room.transcriber.go(4)

    assert room.transcriber.decoded == ["partial a1", "final a1", "partial b1", "final c1"]


async def test_leaving_drops_what_waits(room: Room) -> None:
    a, b = room.segment("a"), room.segment("b")
    a.feed(sound(1))
    b.feed(sound(1))
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(a.final())
        await settle()
        waiting = tasks.create_task(b.partial())
        await settle()
        b.leave()
        assert await waiting is None
        room.transcriber.go()

    assert room.transcriber.decoded == ["final a1"]


async def test_what_was_left_is_gone_without_the_garbage_collector(room: Room) -> None:
    a = room.segment("a")
    a.feed(sound(1))
    room.transcriber.go(2)
    async with asyncio.timeout(DEADLINE_S):
        await a.partial()
        await a.final()
    gc.disable()
    try:
        a.leave()
        left = weakref.ref(a)
        del a
        await settle()
        assert left() is None
    finally:
        gc.enable()


async def test_an_engine_that_fails_is_a_recogniser_that_is_down_and_may_recover(
    room: Room,
) -> None:
    a = room.segment("a")
    a.feed(sound(1))
    room.transcriber.go(2)
    room.transcriber.failure = RuntimeError("out of memory")
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(RecogniserDown, match="out of memory"):
            await a.final()
        room.transcriber.failure = None
        assert (await a.final()).text == "final a1"


async def test_closing_ends_every_wait(room: Room) -> None:
    a, b = room.segment("a"), room.segment("b")
    a.feed(sound(1))
    b.feed(sound(1))
    first = asyncio.ensure_future(a.final())
    await settle()
    second = asyncio.ensure_future(b.final())
    await settle()
    room.transcriber.go()
    async with asyncio.timeout(DEADLINE_S):
        await room.scheduler.close()
        assert (await first).text == "final a1"
        with pytest.raises(RecogniserDown, match="shut down"):
            await second
        with pytest.raises(RecogniserDown, match="shut down"):
            await b.final()


async def test_a_segment_has_a_bound(room: Room) -> None:
    a = room.segment("a")
    a.feed(sound(LONGEST_SEGMENT))

    with pytest.raises(ValueError, match="at most"):
        a.feed(sound(1))
