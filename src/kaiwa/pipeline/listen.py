"""From a capture's sound to utterances in its talk's log.

An utterance, its event and the capture's new durable offset are stored together; what is shown
before that is ephemeral.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Self

import numpy as np
import structlog

from kaiwa.domain.audio import SAMPLE_RATE, Samples, ms_to_samples, samples_to_ms
from kaiwa.domain.events import (
    CaptureDurable,
    Ephemeral,
    Internal,
    SpeechEnded,
    SpeechStarted,
    TurnSignal,
    UtteranceFinal,
    UtterancePartial,
    UtteranceWithdrawn,
)
from kaiwa.domain.ids import EventId, UtteranceId, utterance_id
from kaiwa.domain.speech import Hypothesis, Transcript
from kaiwa.domain.talk import Mode, Role, Talk, User
from kaiwa.errors import DatabaseDown, Forbidden, KaiwaError, TooMuch
from kaiwa.pipeline.floor import Attendance
from kaiwa.pipeline.hearing import Expected, Hearing
from kaiwa.pipeline.loudness import Loudness
from kaiwa.pipeline.tasks import DATABASE_PATIENCE_S, patiently
from kaiwa.policy.endpointing import EAGER_PAUSE, SegmentEnded
from kaiwa.policy.overhearing import Stretch
from kaiwa.policy.turns import State
from kaiwa.ports.accounts import Talks
from kaiwa.ports.asr import Recogniser
from kaiwa.ports.event_log import Advance, Capture, EventLog
from kaiwa.ports.turn import TurnDetector
from kaiwa.ports.vad import VoiceActivityFactory

LIVE_EDGE_MS: Final = 3_000  # older sound makes text, but ends no turn and interrupts nothing
TURN_SOUND: Final = ms_to_samples(8_000)  # what the turn model looks back on

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ears:
    """What listening needs, the same for every capture of the process."""

    event_log: EventLog
    talks: Talks
    recogniser: Recogniser
    vad: VoiceActivityFactory
    attending: Callable[[Talk], AbstractAsyncContextManager[Attendance]]
    turn: TurnDetector | None = None
    on_voice: Callable[[], None] = lambda: None
    """Called while somebody speaks."""
    on_lag: Callable[[float], None] = lambda ms: None
    """Told how long after its end live speech became text."""


class Listening(Hearing):
    """One capture being heard; open it with `open`."""

    def __init__(
        self, ears: Ears, attendance: Attendance, talk: Talk, user: User, capture: Capture
    ) -> None:
        super().__init__(ears.recogniser, ears.vad, capture.offset)
        self._ears = ears
        self._attendance = attendance
        self._talk = talk
        self._user = user
        self._capture = capture
        self._sample_zero = time.monotonic() - capture.age_ms / 1000
        self._loudness = Loudness(capture.offset)
        self._recent: Samples = np.zeros(0, np.int16)
        self._before_pause = self._recent
        self._silent_since = 0.0  # by the clock, while there is a pause
        self._silent_from = 0  # and by the sound
        self._judging: asyncio.Task[None] | None = None
        self.utterances: list[UtteranceFinal] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls, ears: Ears, talk: Talk, user: User, capture: Capture
    ) -> AsyncIterator[Self]:
        """Listen for the length of the block; an error in it drops what is not stored."""
        async with ears.attending(talk) as attendance:
            listening = cls(ears, attendance, talk, user, capture)
            await listening._signal("gone")  # whatever an earlier connection left open
            try:
                async with listening.working():
                    yield listening
            finally:
                await listening._signal("gone")

    async def hear(self, block: Samples) -> None:
        self._loudness.add(block)
        if self._ears.turn is not None:
            self._recent = np.concatenate([self._recent, block])[-TURN_SOUND:]
        await super().hear(block)

    async def on_speech(self, *, started: bool) -> None:
        self._ears.on_voice()
        kind = SpeechStarted if started else SpeechEnded
        if self._is_live():
            await self._tell(kind(participant=self._user.id, capture=self._capture.id))

    async def on_pause(self) -> None:
        self._silent_since = time.monotonic() - samples_to_ms(EAGER_PAUSE) / 1000
        self._silent_from = self.position - EAGER_PAUSE
        self._before_pause = self._recent
        if self._is_live():
            await self._signal("silent", silence_ms=samples_to_ms(EAGER_PAUSE))

    async def on_resumed(self) -> None:
        if self._judging is not None:
            self._judging.cancel()
        if self._is_live():
            await self._signal("resumed")

    async def on_eager(self, start: int, text: str) -> None:
        """Tell the floor what was said up to the pause; how finished it sounds is told as soon as
        it is known, and nothing waits for that."""
        if not self._is_live():
            return
        sound = self._before_pause
        heard = self._stretch(start, self._silent_from, text)
        await self._signal(
            "paused",
            utterance_id=self._next_id,
            name=self._user.name,
            text="" if await self._is_echo(start, text) else text,
            started_ms=heard.started_ms,
            ended_ms=heard.ended_ms,
            level_db=heard.level_db,
            silence_ms=round((time.monotonic() - self._silent_since) * 1000),
        )
        if self._ears.turn is not None and text and self._talk.mode is not Mode.BUTTON:
            self._judging = self._beside(self._judge(self._ears.turn, sound))

    async def _judge(self, turn: TurnDetector, sound: Samples) -> None:
        try:
            await self._signal("judged", score=await turn.probability(sound))
        except KaiwaError as error:
            log.info("turn_not_judged", error=error.code)

    def needs_haste(self) -> bool:
        """Over a reply, which they may stop."""
        return self._attendance.turns.state is State.REPLYING

    async def on_segment(self) -> Expected:
        """Raises NotFound and Forbidden for somebody who may not speak here any more."""
        try:
            talk = await self._ears.talks.get(self._talk.id, self._user.id)
            if talk.role is Role.LISTENER:
                raise Forbidden("you may only listen here now")
            self._talk = talk
        except DatabaseDown:
            pass  # then it is as it was
        language = None if self._talk.language == "auto" else self._talk.language
        return Expected(language, _vocabulary(self._talk))

    async def on_hypothesis(self, start: int, hypothesis: Hypothesis) -> None:
        self._ears.on_voice()
        if await self._is_echo(start, hypothesis.stable + hypothesis.tentative):
            return
        await self._tell(
            UtterancePartial(
                utterance_id=self._next_id,
                participant=self._user.id,
                name=self._user.name,
                capture=self._capture.id,
                started_ms=self._talk_ms(start),
                revision=hypothesis.revision,
                stable=hypothesis.stable,
                tentative=hypothesis.tentative,
            )
        )

    async def on_text(
        self, start: int, ended: SegmentEnded, said: Transcript, sound: Samples
    ) -> None:
        if await self._is_echo(start, said.text):
            log.info("echo_withheld", talk=self._talk.id, capture=self._capture.id)
            await self.on_nothing(ended, shown=True)
            return
        heard = self._stretch(start, ended.voice_end, said.text)
        if await self._attendance.is_overheard(heard):
            log.info("overheard_withheld", talk=self._talk.id, capture=self._capture.id)
            await self.on_nothing(ended, shown=True)
            return
        if not self._is_live():
            await self._signal("late", utterance_id=self._next_id)
        event = UtteranceFinal(
            utterance_id=self._next_id,
            participant=self._user.id,
            name=self._user.name,
            text=said.text,
            language=said.language,
            started_ms=self._talk_ms(start),
            ended_ms=self._talk_ms(ended.voice_end),
            capture=self._capture.id,
            confidence=None if said.confidence is None else round(said.confidence, 2),
            words=tuple((word.text, word.start_ms, word.end_ms) for word in said.words),
        )
        advance = Advance(self._capture, ended.end, self._capture.utterances + 1)

        async def append() -> None:
            await self._ears.event_log.append(
                self._talk.id,
                event,
                event_id=EventId(event.utterance_id),
                advance=advance,
                sound=sound if self._talk.recording else None,
            )

        await patiently(append, DATABASE_PATIENCE_S)
        self._capture = replace(self._capture, offset=advance.offset, utterances=advance.utterances)
        self.utterances.append(event)
        if self._is_live():
            now = time.monotonic() - self._sample_zero
            self._ears.on_lag(1000 * now - samples_to_ms(ended.voice_end))
        await self._tell(CaptureDurable(capture=self._capture.id, offset=self._capture.offset))

    async def on_nothing(self, ended: SegmentEnded, *, shown: bool) -> None:
        if shown:
            await self._tell(UtteranceWithdrawn(utterance_id=self._next_id))
        await self._signal("nothing")
        await self.on_settled(ended.end)

    async def on_settled(self, offset: int) -> None:
        """Move the durable offset through silence."""
        if offset <= self._capture.offset:
            return
        advance = Advance(self._capture, offset, self._capture.utterances)

        async def move() -> None:
            self._capture = await self._ears.event_log.move(advance)

        await patiently(move, DATABASE_PATIENCE_S)
        await self._tell(CaptureDurable(capture=self._capture.id, offset=self._capture.offset))

    def _stretch(self, start: int, end: int, text: str) -> Stretch:
        level = round(self._loudness.level_db(start, end), 1)
        return Stretch(self._capture.id, self._talk_ms(start), self._talk_ms(end), level, text)

    async def _is_echo(self, start: int, text: str) -> bool:
        """Whether the segment that began at `start` is the agent's voice, come back."""
        begun = self._sample_zero + start / SAMPLE_RATE
        heard = self._loudness.powers(start, self.position)
        return await self._attendance.is_echo(text, begun, time.monotonic(), heard)

    async def _signal(
        self,
        signal: Literal["silent", "paused", "judged", "resumed", "nothing", "late", "gone"],
        **values: Any,
    ) -> None:
        await self._tell(
            TurnSignal(signal=signal, participant=self._user.id, capture=self._capture.id, **values)
        )

    async def _tell(self, event: Ephemeral | Internal) -> None:
        try:
            await self._ears.event_log.tell(self._talk.id, event)
        except (DatabaseDown, TooMuch):
            log.info("ephemeral_event_dropped", talk=self._talk.id, type=event.type)

    @property
    def _next_id(self) -> UtteranceId:
        return utterance_id(self._capture.id, self._capture.utterances + 1)

    def _talk_ms(self, sample: int) -> int:
        return self._capture.started_ms + samples_to_ms(sample)

    def _is_live(self) -> bool:
        edge_ms = (time.monotonic() - self._sample_zero) * 1000
        return edge_ms - samples_to_ms(self.position) < LIVE_EDGE_MS


def _vocabulary(talk: Talk) -> str:
    """The talk's own, and the agent's name where it is called by it: recognition would write 桜 for
    さくら (the name was there in 4 of 7 calls; in 6 with it)."""
    if talk.mode is not Mode.NAME:
        return talk.vocabulary
    name = talk.agent_name
    called = f"{name}、{name}さん。" if talk.language in ("ja", "auto") else f"{name}."
    return f"{talk.vocabulary} {called}".strip()
