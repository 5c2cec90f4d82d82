"""From samples to utterances: voice activity cuts segments, each is recognised in turn.

`hear` runs ahead and only looks for speech; one worker per capture recognises its segments in
order, shows what it believes while they last, and stores what was said. When the worker is two
segments behind, `hear` waits, which slows the sender.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Self

import numpy as np
import structlog

from kaiwa.domain.audio import FRAME_SAMPLES, Samples, ms_to_samples, samples_to_ms
from kaiwa.domain.events import (
    CaptureDurable,
    Ephemeral,
    SpeechEnded,
    SpeechStarted,
    UtteranceFinal,
    UtterancePartial,
    UtteranceWithdrawn,
)
from kaiwa.domain.ids import EventId, UtteranceId, utterance_id
from kaiwa.domain.speech import Transcript
from kaiwa.domain.talk import Role, Talk, User
from kaiwa.domain.text import storable
from kaiwa.errors import DatabaseDown, Forbidden, KaiwaError, TooMuch
from kaiwa.pipeline.tasks import one_error, patiently
from kaiwa.policy.agreement import Agreement
from kaiwa.policy.endpointing import (
    Decision,
    EagerPause,
    Endpointer,
    Resumed,
    SegmentEnded,
    SegmentStarted,
)
from kaiwa.ports.accounts import Talks
from kaiwa.ports.asr import Recogniser, SegmentRecognition
from kaiwa.ports.event_log import Advance, Capture, EventLog
from kaiwa.ports.vad import VoiceActivityFactory

PARTIAL_STEP: Final = ms_to_samples(400)  # new sound that makes another hypothesis worth its cost
SETTLE_STEP: Final = ms_to_samples(5_000)  # how often silence moves the durable offset
SEGMENTS_WAITING: Final = 2
LIVE_EDGE_MS: Final = 3_000  # older sound makes text, but asks for no reply
DATABASE_PATIENCE_S: Final = 120.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ears:
    """What listening needs, the same for every capture of the process."""

    event_log: EventLog
    talks: Talks
    recogniser: Recogniser
    vad: VoiceActivityFactory
    on_utterance: Callable[[Talk, UtteranceFinal], Awaitable[None]]


@dataclass(slots=True)
class _Segment:
    """A stretch of speech on its way from `hear` to the worker."""

    start: int
    fed: int
    pieces: list[Samples] = field(default_factory=list)
    paused: bool = False
    ended: SegmentEnded | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class _Settled:
    """Everything before `offset` is silence or stored."""

    offset: int


class Listening:
    """One capture being heard; open it with `open`."""

    def __init__(self, ears: Ears, talk: Talk, user: User, capture: Capture) -> None:
        self._ears = ears
        self._talk = talk
        self._user = user
        self._capture = capture
        self._vad = ears.vad()
        self._endpointer = Endpointer(capture.offset)
        self._sound = _Sound(capture.offset)
        self._segment: _Segment | None = None
        self._settled = capture.offset
        self._work: asyncio.Queue[_Segment | _Settled | None] = asyncio.Queue(SEGMENTS_WAITING)
        self.utterances: list[UtteranceFinal] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls, ears: Ears, talk: Talk, user: User, capture: Capture
    ) -> AsyncIterator[Self]:
        """Listen for the length of the block; leaving it early drops what is not stored."""
        listening = cls(ears, talk, user, capture)
        with one_error():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(listening._recognise())
                yield listening
                await listening._work.put(None)

    @property
    def position(self) -> int:
        """How many samples of the capture were heard, those before its offset included."""
        return self._sound.end

    async def hear(self, block: Samples) -> None:
        """Take sound of any length. Waits while recognition is behind."""
        self._sound.append(block)
        while (frame := self._sound.next_frame()) is not None:
            now, samples = frame
            for decision in self._endpointer.step(self._vad.probability(samples), now):
                await self._follow(decision)
            segment = self._segment
            if segment is not None and not segment.paused:
                self._feed(segment, now)
        if self._segment is None:
            settled = self._endpointer.settled
            if settled - self._settled >= SETTLE_STEP:
                self._settled = settled
                await self._work.put(_Settled(settled))
        self._sound.forget(min(self._endpointer.settled, self._fed_to()))
        await asyncio.sleep(0)  # an upload faster than real time must not starve the others

    async def flush(self) -> None:
        """The capture is over: what is open is closed and will be stored."""
        for decision in self._endpointer.flush():
            await self._follow(decision)
        await self._work.put(_Settled(self._endpointer.settled))

    async def leave_open(self) -> None:
        """The capture will be resumed: forget the open segment, keep the finished ones."""
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.ended = SegmentEnded(segment.start, segment.start, "cut")
            segment.changed.set()

    async def _follow(self, decision: Decision) -> None:
        match decision:
            case SegmentStarted(start=start):
                self._segment = _Segment(start, fed=start)
                await self._work.put(self._segment)
                await self._tell(SpeechStarted(participant=self._user.id, capture=self._capture.id))
            case EagerPause(at=at) if self._segment is not None:
                self._feed(self._segment, at)
                self._segment.paused = True
                self._segment.changed.set()
            case Resumed() if self._segment is not None:
                self._segment.paused = False
            case SegmentEnded(end=end) if self._segment is not None:
                segment, self._segment = self._segment, None
                self._feed(segment, end)
                segment.ended = decision
                segment.changed.set()
                self._settled = end
                await self._tell(SpeechEnded(participant=self._user.id, capture=self._capture.id))
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
                await self._settle(item.offset)
            else:
                await self._recognise_segment(item)

    async def _recognise_segment(self, segment: _Segment) -> None:
        self._talk = await self._settings()
        language = None if self._talk.language == "auto" else self._talk.language
        name = utterance_id(self._capture.id, self._capture.utterances + 1)
        async with self._ears.recogniser.segment(language=language) as session:
            agreement = Agreement()
            transcript = await self._follow_segment(segment, session, agreement, name)
        ended = segment.ended
        if ended is None or ended.end <= segment.start:
            return  # left open, for the resume
        text = "" if transcript is None else storable(transcript.text)
        if transcript is not None and text:
            await self._store(segment, ended, name, replace(transcript, text=text))
            return
        if agreement.hypothesis.revision:
            await self._tell(UtteranceWithdrawn(utterance_id=name))
        await self._settle(ended.end)

    async def _follow_segment(
        self,
        segment: _Segment,
        session: SegmentRecognition,
        agreement: Agreement,
        name: UtteranceId,
    ) -> Transcript | None:
        """Show hypotheses while the segment lasts; returns its text. The final is begun at the
        first silence, and holds if the silence lasts. None for a segment left open."""
        eager = False
        shown = segment.start
        while True:
            await segment.changed.wait()
            segment.changed.clear()
            if segment.pieces:
                eager = False
            for piece in segment.pieces:
                session.feed(piece)
            segment.pieces.clear()
            if segment.ended is not None:
                if segment.ended.end <= segment.start:
                    return None
                return await session.final(last=True)  # shares an eager one that covers all
            if segment.paused and not eager:
                eager = True
                await session.final(last=False)
            elif segment.fed - shown >= PARTIAL_STEP:
                shown = segment.fed
                text = await session.partial()
                if text is not None and not segment.paused:
                    await self._show(segment, agreement, text, name)

    async def _show(
        self, segment: _Segment, agreement: Agreement, text: str, name: UtteranceId
    ) -> None:
        before = agreement.hypothesis
        hypothesis = agreement.update(storable(text))
        if hypothesis == before:
            return
        await self._tell(
            UtterancePartial(
                utterance_id=name,
                participant=self._user.id,
                name=self._user.name,
                capture=self._capture.id,
                started_ms=self._talk_ms(segment.start),
                revision=hypothesis.revision,
                stable=hypothesis.stable,
                tentative=hypothesis.tentative,
            )
        )

    async def _store(
        self, segment: _Segment, ended: SegmentEnded, name: UtteranceId, said: Transcript
    ) -> None:
        event = UtteranceFinal(
            utterance_id=name,
            participant=self._user.id,
            name=self._user.name,
            text=said.text,
            language=said.language,
            started_ms=self._talk_ms(segment.start),
            ended_ms=self._talk_ms(ended.voice_end),
            capture=self._capture.id,
        )
        advance = Advance(self._capture, ended.end, self._capture.utterances + 1)

        async def append() -> None:
            await self._ears.event_log.append(
                self._talk.id, event, event_id=EventId(name), advance=advance
            )

        await patiently(append, DATABASE_PATIENCE_S)
        self._capture = replace(self._capture, offset=advance.offset, utterances=advance.utterances)
        self.utterances.append(event)
        await self._tell(CaptureDurable(capture=self._capture.id, offset=self._capture.offset))
        if self._is_live():
            try:
                await self._ears.on_utterance(self._talk, event)
            except (
                KaiwaError
            ) as error:  # it is stored; that nobody answers must not end the capture
                log.warning("utterance_not_answered", talk=self._talk.id, error=error.code)

    async def _settle(self, offset: int) -> None:
        """Move the durable offset through silence."""
        if offset <= self._capture.offset:
            return
        advance = Advance(self._capture, offset, self._capture.utterances)

        async def move() -> None:
            self._capture = await self._ears.event_log.move(advance)

        await patiently(move, DATABASE_PATIENCE_S)
        await self._tell(CaptureDurable(capture=self._capture.id, offset=self._capture.offset))

    async def _settings(self) -> Talk:
        """The talk as it is set now; as it was, while the database is away.

        Raises NotFound and Forbidden for somebody who may not speak here any more.
        """
        try:
            talk = await self._ears.talks.get(self._talk.id, self._user.id)
        except DatabaseDown:
            return self._talk
        if talk.role is Role.LISTENER:
            raise Forbidden("you may only listen here now")
        return talk

    async def _tell(self, event: Ephemeral) -> None:
        try:
            await self._ears.event_log.tell(self._talk.id, event)
        except (DatabaseDown, TooMuch):
            log.info("ephemeral_event_dropped", talk=self._talk.id, type=event.type)

    def _talk_ms(self, sample: int) -> int:
        return self._capture.started_ms + samples_to_ms(sample)

    def _is_live(self) -> bool:
        now_ms = int((time.time() - self._talk.created_at.timestamp()) * 1000)
        return now_ms - self._talk_ms(self.position) < LIVE_EDGE_MS


class _Sound:
    """The latest sound of a capture, by position in samples."""

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
