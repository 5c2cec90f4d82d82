"""Sound whose words can be told apart: each is a tone of its own, so that what was said is known to
the word, whatever happened to it on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby

import numpy as np

from kaiwa.adapters.memory.asr import LOUD
from kaiwa.domain.audio import FRAME_SAMPLES, SAMPLE_RATE, Samples, as_float, ms_to_samples
from kaiwa.domain.speech import Partial, Transcript

WORD_MS = 300
VOCABULARY = "".join(chr(0x5100 + n) for n in range(64))  # nothing the fake model says
_LEAST_FRAMES = 2
"""A word cut in two has this much on one side at least, so it is never missing."""


def sound(numbers: Sequence[int]) -> Samples:
    """Words in a row, without a gap; numbers next to each other must differ."""
    time = np.arange(ms_to_samples(WORD_MS)) / SAMPLE_RATE
    tones = [np.sin(2 * np.pi * _bin(n) * SAMPLE_RATE / FRAME_SAMPLES * time) for n in numbers]
    return (np.concatenate(tones) * 8_000).astype(np.int16)


def text(numbers: Sequence[int]) -> str:
    return "".join(VOCABULARY[n % len(VOCABULARY)] for n in numbers)


def heard(samples: Samples) -> str:
    """What was said in them."""
    whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
    frames = as_float(samples[:whole]).reshape(-1, FRAME_SAMPLES)
    loud = np.sqrt(np.square(frames).mean(axis=1)) > LOUD
    bins = np.where(loud, np.abs(np.fft.rfft(frames, axis=1)).argmax(axis=1), 0)
    runs = [(found, len(list(run))) for found, run in groupby(bins.tolist())]
    return "".join(_WORDS[found] for found, n in runs if found in _WORDS and n >= _LEAST_FRAMES)


def _bin(number: int) -> int:
    return 10 + 3 * (number % len(VOCABULARY))  # 312 Hz to 6.2 kHz


_WORDS = {_bin(n): word for n, word in enumerate(VOCABULARY)}


class WordRecogniser:
    """`ports.asr.Recogniser` for such sound."""

    @asynccontextmanager
    async def segment(
        self, *, language: str | None, prompt: str = ""
    ) -> AsyncIterator[WordSegment]:
        del prompt
        yield WordSegment(language or "ja")

    async def ready(self) -> None: ...

    async def close(self) -> None: ...


class WordSegment:
    """`ports.asr.SegmentRecognition`."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._pieces: list[Samples] = []

    def feed(self, samples: Samples) -> None:
        self._pieces.append(samples)

    async def partial(self) -> Partial | None:
        text = self._heard()
        return Partial(text, (1.0,) * len(text)) if text else None

    async def final(self, *, last: bool = True) -> Transcript:
        del last
        return Transcript(self._heard(), self._language)

    def _heard(self) -> str:
        return heard(np.concatenate(self._pieces)) if self._pieces else ""
