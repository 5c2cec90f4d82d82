"""How loud a capture was lately, and a clip is."""

from __future__ import annotations

import io
import wave
from typing import Final

import numpy as np

from kaiwa.domain.audio import FRAME_SAMPLES, SAMPLE_RATE, Samples, as_float, ms_to_samples
from kaiwa.policy.echo import Levels

KEPT: Final = ms_to_samples(30_000) // FRAME_SAMPLES  # frames: the longest segment
NEAR_PEAK_DB: Final = 20.0
"""Frames further below the loudest are pauses."""
_LEAST: Final = 1e-10


class Loudness:
    """The power of each frame; positions are in samples, `start` that of the first."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._powers: Levels = np.zeros(0)
        self._rest: Samples = np.zeros(0, np.int16)

    def add(self, block: Samples) -> None:
        sound = np.concatenate([self._rest, block])
        whole = len(sound) // FRAME_SAMPLES * FRAME_SAMPLES
        self._rest = sound[whole:]
        powers = np.concatenate([self._powers, frame_powers(sound)])
        self._start += max(0, len(powers) - KEPT) * FRAME_SAMPLES
        self._powers = powers[-KEPT:]

    def powers(self, start: int, end: int) -> Levels:
        """Of the frames between two positions."""
        first = max(0, (start - self._start) // FRAME_SAMPLES)
        return self._powers[first : max(0, (end - self._start) // FRAME_SAMPLES)]

    def level_db(self, start: int, end: int) -> float:
        """Of the voice between two positions: its mean power without the pauses, in dB of full
        scale; silence is -100."""
        powers = self.powers(start, end)
        if not len(powers):
            return -100.0
        voiced = powers[powers >= powers.max() * 10 ** (-NEAR_PEAK_DB / 10)]
        return float(10 * np.log10(max(_LEAST, voiced.mean())))


def clip_powers(data: bytes) -> Levels:
    """The same of a clip, a WAV file at any rate."""
    with wave.open(io.BytesIO(data)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        frame = FRAME_SAMPLES * file.getframerate() // SAMPLE_RATE
    return frame_powers(sound, frame)


def frame_powers(sound: Samples, frame: int = FRAME_SAMPLES) -> Levels:
    """Of each whole frame."""
    whole = len(sound) // frame * frame
    powers: Levels = (
        np.square(as_float(sound[:whole]), dtype=np.float64).reshape(-1, frame).mean(axis=1)
    )
    return powers
