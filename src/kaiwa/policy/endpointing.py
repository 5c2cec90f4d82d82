"""Where speech begins, pauses and ends, from voice-activity probabilities alone.

The law of this file: everything that decides segment borders lives here. Positions are sample
counts of one capture (16 kHz); there is no clock, no sound and no I/O.

A frame is voiced by two thresholds (hysteresis): speech must be likely to begin, and may waver
once it has begun. What happens then is a table:

| state   | signal | next    | said to the caller             |
|---------|--------|---------|--------------------------------|
| SILENCE | VOICE  | ONSET   |                                |
| ONSET   | LAPSE  | SILENCE | (a click: nobody hears of it)  |
| ONSET   | OPEN   | SPEECH  | SegmentStarted                 |
| SPEECH  | EAGER  | PAUSE   | EagerPause                     |
| SPEECH  | END    | SILENCE | SegmentEnded                   |
| SPEECH  | SPLIT  | SPEECH  | SegmentEnded, SegmentStarted   |
| PAUSE   | RESUME | SPEECH  | Resumed                        |
| PAUSE   | END    | SILENCE | SegmentEnded                   |

A caller feeds a recogniser from `SegmentStarted.start`, holds sound back from `EagerPause.at`
until `Resumed`, and so a decode begun at `EagerPause` is still the right one at `SegmentEnded`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from kaiwa.domain.audio import ms_to_samples

START_PROBABILITY = 0.5
"""A frame this likely begins speech: what Silero's authors recommend."""
STAY_PROBABILITY = 0.35
"""Speech goes on down to here: the recommended 0.15 below the start."""

PRE_ROLL = ms_to_samples(300)
"""Sound before the first voiced frame that belongs to the segment: Silero is sure of a word only
after its first consonant, and an unvoiced one (s, h, k) lasts up to 200 ms."""
OPENING_VOICE = ms_to_samples(96)
"""Voiced time that opens a segment: a click or a key is one or two frames, the shortest answers
(うん, はい, "yes") are four and more."""
OPENING_GAP = ms_to_samples(128)
"""An opening with this much unvoiced time in a row was a noise."""

EAGER_PAUSE = ms_to_samples(128)
"""Silence after which the final is decoded on speculation: longer than the closure of most double
consonants (っ), short enough that a decode fits into what is left of the pause. A decode that came
too early is a hypothesis like any other."""
RESUMING_VOICE = ms_to_samples(64)
"""Voiced time that ends a pause; one frame is a lip, a breath or a key."""
FINAL_PAUSE = ms_to_samples(352)
"""Silence that ends a segment: its text is final then. Pauses inside a read sentence are mostly
shorter, between sentences 500–700 ms; 320 ms made a fifth more errors of English, 416 ms not one
less. Whether it ends a turn is not decided here."""

_CUTS = (
    (ms_to_samples(24_000), ms_to_samples(64)),
    (ms_to_samples(20_000), ms_to_samples(128)),
    (ms_to_samples(16_000), ms_to_samples(192)),
    (ms_to_samples(12_000), ms_to_samples(384)),
)
"""(length of the segment, pause that cuts it): the longer it is, the less a pause must be. A long
segment costs its whole length at every decode, and Whisper sees 30 s at most."""
LONGEST_SEGMENT = ms_to_samples(28_000)
"""Cut here even in the middle of a word."""

EndReason = Literal["pause", "cut", "end"]


@dataclass(frozen=True, slots=True)
class SegmentStarted:
    """`start`: the first sample of the segment, pre-roll included; it lies in the past."""

    start: int


@dataclass(frozen=True, slots=True)
class EagerPause:
    """The voice stopped a moment ago; if it stays so, the segment ends with sample `at`."""

    at: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """The pause was inside the segment."""


@dataclass(frozen=True, slots=True)
class SegmentEnded:
    """`end`: the first sample behind the segment; `voice_end`: the end of its last voiced frame.

    `pause` is an end the speaker made; `cut` is one made for length, so it says nothing about the
    turn; `end` is the end of the capture.
    """

    end: int
    voice_end: int
    reason: EndReason


Decision = SegmentStarted | EagerPause | Resumed | SegmentEnded


class _State(Enum):
    SILENCE = auto()
    ONSET = auto()
    SPEECH = auto()
    PAUSE = auto()


class _Signal(Enum):
    VOICE = auto()
    LAPSE = auto()
    OPEN = auto()
    EAGER = auto()
    RESUME = auto()
    END = auto()
    SPLIT = auto()


_TABLE: dict[_State, dict[_Signal, _State]] = {
    _State.SILENCE: {_Signal.VOICE: _State.ONSET},
    _State.ONSET: {_Signal.LAPSE: _State.SILENCE, _Signal.OPEN: _State.SPEECH},
    _State.SPEECH: {
        _Signal.EAGER: _State.PAUSE,
        _Signal.END: _State.SILENCE,
        _Signal.SPLIT: _State.SPEECH,
    },
    _State.PAUSE: {_Signal.RESUME: _State.SPEECH, _Signal.END: _State.SILENCE},
}


class Endpointer:
    """The borders of one capture's segments. `start` is the position of its first frame."""

    def __init__(self, start: int = 0) -> None:
        self._state = _State.SILENCE
        self._now = start
        self._border = start  # nothing before it belongs to a later segment
        self._begin = start  # of the onset or the open segment, pre-roll included
        self._voiced = False  # the last frame
        self._voice_end = start
        self._voice_run = 0  # voiced samples: all of the onset's, or the last in a row
        self._pause_at = start  # where the eager pause was called

    @property
    def speaking(self) -> bool:
        """Whether a segment is open."""
        return self._state in (_State.SPEECH, _State.PAUSE)

    @property
    def settled(self) -> int:
        """No open or later segment begins before this sample: what is before it is done with."""
        if self._state is _State.SILENCE:
            return max(self._border, self._now - PRE_ROLL)
        return self._begin

    def step(self, probability: float, now: int) -> list[Decision]:
        """Take one frame's voice probability (0..1); `now` is the position behind the frame.

        Raises ValueError if `now` does not move on.
        """
        length = now - self._now
        if length <= 0:
            raise ValueError(f"frames must move on: {now} after {self._now}")
        self._now = now
        threshold = STAY_PROBABILITY if self._voiced else START_PROBABILITY
        self._voiced = probability >= threshold
        match self._state:
            case _State.SILENCE | _State.ONSET:
                return self._before_speech(length)
            case _State.SPEECH:
                return self._in_speech()
            case _State.PAUSE:
                return self._in_pause(length)

    def flush(self) -> list[Decision]:
        """The capture came to a clean end: close what is open."""
        if not self.speaking:
            return []
        return [self._end("end")]

    def _before_speech(self, length: int) -> list[Decision]:
        if self._voiced:
            if self._state is _State.SILENCE:
                self._go(_Signal.VOICE)
                self._begin = max(self._border, self._now - length - PRE_ROLL)
                self._voice_run = 0
            self._voice_run += length
            self._voice_end = self._now
            if self._voice_run >= OPENING_VOICE:
                self._go(_Signal.OPEN)
                return [SegmentStarted(self._begin)]
        elif self._state is _State.ONSET and self.silence >= OPENING_GAP:
            self._go(_Signal.LAPSE)
        return []

    def _in_speech(self) -> list[Decision]:
        if self._voiced:
            self._voice_end = self._now
            if self._now - self._begin >= LONGEST_SEGMENT:
                return self._split()
        elif self.silence >= self._cutting_pause():
            return [self._end("cut")]
        elif self.silence >= EAGER_PAUSE:
            self._go(_Signal.EAGER)
            self._pause_at = self._now
            self._voice_run = 0
            return [EagerPause(self._now)]
        return []

    def _in_pause(self, length: int) -> list[Decision]:
        if self._voiced:
            self._voice_run += length
            if self._voice_run >= RESUMING_VOICE:
                self._go(_Signal.RESUME)
                self._voice_end = self._now
                return [Resumed()]
        else:
            self._voice_run = 0
        if self.silence >= FINAL_PAUSE:
            return [self._end("pause")]
        if self.silence >= self._cutting_pause():
            return [self._end("cut")]
        return []

    @property
    def silence(self) -> int:
        """Samples since the last voiced frame."""
        return self._now - self._voice_end

    def _cutting_pause(self) -> int:
        """The pause that cuts a segment as long as this one."""
        length = self._voice_end - self._begin
        return next((pause for least, pause in _CUTS if length >= least), FINAL_PAUSE)

    def _end(self, reason: EndReason) -> SegmentEnded:
        end = self._pause_at if self._state is _State.PAUSE else self._now
        self._go(_Signal.END)
        self._border = end
        self._voiced = False
        return SegmentEnded(end, self._voice_end, reason)

    def _split(self) -> list[Decision]:
        self._go(_Signal.SPLIT)
        self._border = self._begin = self._now
        return [SegmentEnded(self._now, self._voice_end, "cut"), SegmentStarted(self._now)]

    def _go(self, signal: _Signal) -> None:
        self._state = _TABLE[self._state][signal]
