"""From samples to text: voice activity cuts segments, each is recognised in turn.

`hear` runs ahead and only looks for speech; one worker recognises the segments in order and says
what it believes while they last. When the worker is two segments behind, `hear` waits, which slows
the sender. What becomes of the text is the subclass's: a talk's log, a socket, a file.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self, TypeVar

import numpy as np

from kaiwa.domain.audio import FRAME_SAMPLES, Samples, ms_to_samples
from kaiwa.domain.speech import Hypothesis, Partial, Transcript
from kaiwa.domain.text import storable
from kaiwa.pipeline.tasks import one_error
from kaiwa.policy.agreement import STEADY, Agreement
from kaiwa.policy.endpointing import (
    Decision,
    EagerPause,
    Endpointer,
    Resumed,
    SegmentEnded,
    SegmentStarted,
)
from kaiwa.policy.word_times import timed
from kaiwa.ports.asr import Recogniser, SegmentRecognition
from kaiwa.ports.vad import VoiceActivityFactory

FIRST_PARTIAL: Final = ms_to_samples(200)  # sound that may make a first word
PARTIAL_STEP: Final = STEADY  # hypotheses that come closer together make nothing stable sooner
HASTY: Final = ms_to_samples(1_000)  # a segment so short gets them closer where haste is needed
HASTY_STEP: Final = ms_to_samples(100)
QUIET: Final = ms_to_samples(64)  # the voice may be stopping: keep the engine free for the final
SETTLE_STEP: Final = ms_to_samples(5_000)  # how often silence is told of
SEGMENTS_WAITING: Final = 2
BLOCK: Final = ms_to_samples(1_000)  # 6 ms of voice activity at a time

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Expected:
    """`language` is ISO 639-1, None to detect it; `vocabulary` names and terms that may be said."""

    language: str | None
    vocabulary: str = ""


@dataclass(slots=True)
class _Segment:
    """A stretch of speech on its way from `hear` to the worker."""

    start: int
    fed: int
    quiet: bool = False
    pieces: list[Samples] = field(default_factory=list)
    heard: list[Samples] = field(default_factory=list)
    paused: bool = False
    ended: SegmentEnded | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    silent: asyncio.Event = field(default_factory=asyncio.Event)
    """Set in a pause, and from its end on."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set from its end on."""

    @property
    def left_open(self) -> bool:
        """Whether it ended without being over: nothing of it counts."""
        return self.ended is not None and self.ended.end <= self.start

    def end(self, ended: SegmentEnded) -> None:
        self.ended = ended
        for event in (self.silent, self.over, self.changed):
            event.set()


@dataclass(frozen=True, slots=True)
class _Settled:
    """No open or later segment begins before `offset`."""

    offset: int


class Hearing(ABC):
    """One stream of sound being heard; enter `working` first. Positions are in samples."""

    def __init__(self, recogniser: Recogniser, vad: VoiceActivityFactory, start: int = 0) -> None:
        self._recogniser = recogniser
        self._vad = vad()
        self._endpointer = Endpointer(start)
        self._sound = _Sound(start)
        self._segment: _Segment | None = None
        self._settled = start
        self._work: asyncio.Queue[_Segment | _Settled | None] = asyncio.Queue(SEGMENTS_WAITING)
        self._tasks = asyncio.TaskGroup()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[Self]:
        """Recognise for the length of the block, and finish what was heard at its end; an error
        in the block drops it."""
        with one_error():
            async with self._tasks:
                self._beside(self._recognise())
                yield self
                await self._work.put(None)

    def _beside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something while hearing goes on; the block lasts until it is done."""
        return self._tasks.create_task(work)

    @property
    def position(self) -> int:
        """How many samples there were, those before `start` included."""
        return self._sound.end

    async def hear(self, block: Samples) -> None:
        """Take sound of any length. Waits while recognition is behind."""
        for at in range(0, len(block), BLOCK):
            await self._hear(block[at : at + BLOCK])
            await asyncio.sleep(0)  # sound faster than real time must not starve the others

    async def _hear(self, block: Samples) -> None:
        self._sound.append(block)
        while (frame := self._sound.next_frame()) is not None:
            now, samples = frame
            for decision in self._endpointer.step(self._vad.probability(samples), now):
                await self._follow(decision)
            segment = self._segment
            if segment is not None and not segment.paused:
                segment.quiet = self._endpointer.silence >= QUIET
                self._feed(segment, now)
        if self._segment is None:
            settled = self._endpointer.settled
            if settled - self._settled >= SETTLE_STEP:
                self._settled = settled
                await self._work.put(_Settled(settled))
        self._sound.forget(min(self._endpointer.settled, self._fed_to()))

    async def flush(self) -> None:
        """The sound is over: what is open is closed, and will be told of."""
        for decision in self._endpointer.flush():
            await self._follow(decision)
        await self._work.put(_Settled(self._endpointer.settled))

    async def leave_open(self) -> None:
        """The sound will be sent again: forget the open segment, keep the finished ones."""
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.end(SegmentEnded(segment.start, segment.start, "cut"))

    # --- what the subclass makes of it ---

    @abstractmethod
    async def on_speech(self, *, started: bool) -> None:
        """Somebody began to speak, or ended; told at once, before there is any text."""

    async def on_pause(self) -> None:
        """The voice fell silent EAGER_PAUSE ago, perhaps for good; told at once."""
        return

    async def on_eager(self, start: int, text: str) -> None:
        """What was said in the segment up to the pause that goes on; its final if it lasts."""
        return

    async def on_resumed(self) -> None:
        """The pause was inside the segment."""
        return

    def needs_haste(self) -> bool:
        """Whether the first words decide something."""
        return False

    def needs_hypotheses(self) -> bool:
        """Whether anybody wants to know of a segment before it is over."""
        return True

    @abstractmethod
    async def on_segment(self) -> Expected:
        """A segment is about to be recognised: what may be expected of it?"""

    @abstractmethod
    async def on_hypothesis(self, start: int, hypothesis: Hypothesis) -> None:
        """What the segment that began at `start` is believed to say so far."""

    @abstractmethod
    async def on_text(
        self, start: int, ended: SegmentEnded, said: Transcript, sound: Samples
    ) -> None:
        """A segment is over, and this was said in its sound."""

    @abstractmethod
    async def on_nothing(self, ended: SegmentEnded, *, shown: bool) -> None:
        """A segment is over and nothing was said, whatever was `shown` of it."""

    @abstractmethod
    async def on_settled(self, offset: int) -> None:
        """Everything before `offset` was silence, or was told of."""

    # --- hearing ---

    async def _follow(self, decision: Decision) -> None:
        match decision:
            case SegmentStarted(start=start):
                self._segment = _Segment(start, fed=start)
                await self._work.put(self._segment)
                await self.on_speech(started=True)
            case EagerPause(at=at) if self._segment is not None:
                self._feed(self._segment, at)
                self._segment.paused = True
                self._segment.silent.set()
                self._segment.changed.set()
                await self.on_pause()
            case Resumed() if self._segment is not None:
                self._segment.paused = False
                self._segment.silent.clear()
                await self.on_resumed()
            case SegmentEnded(end=end) if self._segment is not None:
                segment, self._segment = self._segment, None
                self._feed(segment, end)
                segment.end(decision)
                self._settled = end
                await self.on_speech(started=False)
            case _:
                raise AssertionError(f"no segment is open for {decision}")

    def _feed(self, segment: _Segment, until: int) -> None:
        if until > segment.fed:
            segment.pieces.append(self._sound.between(segment.fed, until))
            segment.fed = until
            segment.changed.set()

    def _fed_to(self) -> int:
        return self._sound.end if self._segment is None else self._segment.fed

    # --- the worker ---

    async def _recognise(self) -> None:
        while (item := await self._work.get()) is not None:
            if isinstance(item, _Settled):
                await self.on_settled(item.offset)
            else:
                await self._recognise_segment(item)

    async def _recognise_segment(self, segment: _Segment) -> None:
        agreement = Agreement()
        expected = await self.on_segment()
        async with self._recogniser.segment(
            language=expected.language, prompt=expected.vocabulary
        ) as session:
            said = await self._follow_segment(segment, session, agreement)
        ended = segment.ended
        if said is None or ended is None:
            return
        text = storable(said.text)
        if text:
            # What was shown as stable stays as it was shown.
            settled = agreement.settled(text)
            words = timed(settled, said.words)
            said = replace(said, text=settled, words=words)
            await self.on_text(segment.start, ended, said, np.concatenate(segment.heard))
        else:
            await self.on_nothing(ended, shown=agreement.hypothesis.revision > 0)

    async def _follow_segment(
        self, segment: _Segment, session: SegmentRecognition, agreement: Agreement
    ) -> Transcript | None:
        """Tell hypotheses while the segment lasts; returns its text. The final is begun at the
        first silence, and holds if the silence lasts. None for a segment left open."""
        eager = told = False
        shown, step = segment.start, FIRST_PARTIAL
        if not self.needs_hypotheses():
            await segment.over.wait()
        while True:
            await segment.changed.wait()
            segment.changed.clear()
            if segment.pieces:
                eager = told = False
            for piece in segment.pieces:
                session.feed(piece)
            segment.heard += segment.pieces
            segment.pieces.clear()
            if segment.left_open:
                return None
            if segment.ended is not None:
                final = await session.final(last=True)  # shares an eager one that covers all
                if segment.paused and not told:  # the pause was over before it was recognised
                    await self._tell_eager(segment, agreement, final)
                return final
            if segment.paused and not eager:
                eager = True
                fed = segment.fed
                said = await _unless(segment.over, session.final(last=False))
                if said is None:
                    continue
                shown = fed
                if segment.paused and segment.fed == fed and segment.ended is None:
                    told = True
                    await self._tell_eager(segment, agreement, said)
                if segment.ended is None:
                    await self._believe(segment, agreement, _so_far(said), fed)
            elif segment.fed - shown >= step and not segment.quiet:
                shown = segment.fed
                hasty = shown - segment.start < HASTY and self.needs_haste()
                step = HASTY_STEP if hasty else PARTIAL_STEP
                partial = await _unless(segment.silent, session.partial())
                if partial is not None:
                    await self._believe(segment, agreement, partial, shown)

    async def _tell_eager(self, segment: _Segment, agreement: Agreement, said: Transcript) -> None:
        so_far = storable(said.text)
        await self.on_eager(segment.start, agreement.settled(so_far) if so_far else "")

    async def _believe(
        self, segment: _Segment, agreement: Agreement, said: Partial, heard: int
    ) -> None:
        before = agreement.hypothesis
        text = storable(said.text)
        hypothesis = agreement.update(said if text == said.text else Partial(text), heard)
        if hypothesis != before:
            await self.on_hypothesis(segment.start, hypothesis)


async def _unless(event: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What the work gives; None where the event comes first."""

    async def give_up() -> None:
        await event.wait()
        working.cancel()

    with one_error():
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(work)
            waiting = tasks.create_task(give_up())
            await asyncio.wait([working])
            waiting.cancel()
    return None if working.cancelled() else working.result()


def _so_far(said: Transcript) -> Partial:
    """An eager final is one more thing that was heard of the segment."""
    joined = "".join(word.text for word in said.words)
    if joined.strip() != said.text:
        return Partial(said.text)
    confidence = tuple(word.probability for word in said.words for _ in word.text)
    begin = len(joined) - len(joined.lstrip())
    return Partial(said.text, confidence[begin : begin + len(said.text)])


class _Sound:
    """The latest sound, by position in samples."""

    def __init__(self, start: int) -> None:
        self._start = start  # of the first block kept
        self._samples: Samples = np.zeros(0, np.int16)
        self._framed = start  # up to here frames were given out

    @property
    def end(self) -> int:
        return self._start + len(self._samples)

    def append(self, block: Samples) -> None:
        self._samples = np.concatenate([self._samples, block])

    def next_frame(self) -> tuple[int, Samples] | None:
        """The next frame and the position behind it."""
        if self.end - self._framed < FRAME_SAMPLES:
            return None
        frame = self.between(self._framed, self._framed + FRAME_SAMPLES)
        self._framed += FRAME_SAMPLES
        return self._framed, frame

    def between(self, start: int, end: int) -> Samples:
        return self._samples[start - self._start : end - self._start]

    def forget(self, before: int) -> None:
        keep_from = min(before, self._framed)
        if keep_from > self._start:
            self._samples = self._samples[keep_from - self._start :].copy()
            self._start = keep_from
