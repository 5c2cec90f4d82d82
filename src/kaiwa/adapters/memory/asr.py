"""Recognition and voice activity without a model: what is loud is speech, how long it is loud
decides what was said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from kaiwa.domain.audio import FRAME_SAMPLES, Samples, as_float, ms_to_samples
from kaiwa.domain.speech import Partial, Transcript
from kaiwa.errors import RecogniserDown

WORD_SAMPLES = ms_to_samples(256)
"""Voiced sound per word; a shorter rest is a word too once the segment is final."""
LOUD = 0.01
"""RMS of a voiced frame, of 1.0: -40 dB."""

SCRIPTS = {
    "ja": ("今日は", "とても", "いい", "天気", "です", "ね"),
    "en": (" the", " quick", " brown", " fox", " is", " here"),
}
"""What is said, over and over, in each language; others speak English."""


def voiced_frames(samples: Samples) -> int:
    """How many whole frames are loud."""
    whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
    frames = as_float(samples[:whole]).reshape(-1, FRAME_SAMPLES)
    return int((np.sqrt(np.square(frames).mean(axis=1)) > LOUD).sum()) if whole else 0


def script(words: int, language: str) -> str:
    """The first words that anybody says in a segment."""
    lines = SCRIPTS.get(language, SCRIPTS["en"])
    return "".join(lines[n % len(lines)] for n in range(words)).strip()


class EnergyVoiceActivity:
    """Implements `ports.vad.VoiceActivity` by loudness."""

    def probability(self, frame: Samples) -> float:
        """Raises ValueError if it is not one whole frame."""
        if frame.shape != (FRAME_SAMPLES,):
            raise ValueError(f"a frame has {FRAME_SAMPLES} samples, not {frame.shape}")
        return 0.98 if voiced_frames(frame) else 0.02


class FakeRecogniser:
    """Implements `ports.asr.Recogniser`.

    Set `down` to a sentence and everything raises RecogniserDown; clear `free` and decodes wait
    until it is set again. `detects` is the language of segments that name none.
    """

    def __init__(self, detects: str = "ja") -> None:
        self.detects = detects
        self.down: str | None = None
        self.free = asyncio.Event()
        self.free.set()
        self.open_segments = 0

    @asynccontextmanager
    async def segment(
        self, *, language: str | None, prompt: str = ""
    ) -> AsyncIterator[FakeSegment]:
        del prompt
        self.check()
        self.open_segments += 1
        try:
            yield FakeSegment(self, language or self.detects)
        finally:
            self.open_segments -= 1

    async def ready(self) -> None:
        self.check()

    async def close(self) -> None:
        self.down = "speech recognition is shut down"

    def check(self) -> None:
        if self.down:
            raise RecogniserDown(self.down)


class FakeSegment:
    """Implements `ports.asr.SegmentRecognition`."""

    def __init__(self, recogniser: FakeRecogniser, language: str) -> None:
        self._recogniser = recogniser
        self._language = language
        self._chunks: list[Samples] = []
        self._heard = 0  # chunks the last partial took

    def feed(self, samples: Samples) -> None:
        self._chunks.append(samples)

    async def partial(self) -> Partial | None:
        self._recogniser.check()
        if len(self._chunks) == self._heard:
            return None
        await self._recogniser.free.wait()
        self._heard = len(self._chunks)
        text = script(self._voiced() // WORD_SAMPLES, self._language)
        return Partial(text, (1.0,) * len(text)) if text else None

    async def final(self, *, last: bool = True) -> Transcript:
        del last
        await self._recogniser.free.wait()
        self._recogniser.check()
        self._heard = len(self._chunks)
        return Transcript(
            script(-(-self._voiced() // WORD_SAMPLES), self._language), self._language
        )

    def _voiced(self) -> int:
        """Voiced samples, counted over the whole segment so that chunk borders do not matter."""
        sound = np.concatenate(self._chunks) if self._chunks else np.zeros(0, np.int16)
        return voiced_frames(sound) * FRAME_SAMPLES
