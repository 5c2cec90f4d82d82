"""How loud a capture was lately."""

from __future__ import annotations

from typing import Final

import numpy as np

from kaiwa.domain.audio import FRAME_SAMPLES, Samples, as_float, ms_to_samples

KEPT: Final = ms_to_samples(30_000) // FRAME_SAMPLES  # frames: the longest segment
NEAR_PEAK_DB: Final = 20.0
"""Frames further below the loudest are pauses."""
_LEAST: Final = 1e-10


class Loudness:
    """The power of each frame; positions are in samples, `start` that of the first."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._powers = np.zeros(0)
        self._rest: Samples = np.zeros(0, np.int16)

    def add(self, block: Samples) -> None:
        sound = np.concatenate([self._rest, block])
        whole = len(sound) // FRAME_SAMPLES * FRAME_SAMPLES
        self._rest = sound[whole:]
        frames = as_float(sound[:whole]).reshape(-1, FRAME_SAMPLES)
        powers = np.concatenate([self._powers, np.square(frames).mean(axis=1)])
        self._start += max(0, len(powers) - KEPT) * FRAME_SAMPLES
        self._powers = powers[-KEPT:]

    def level_db(self, start: int, end: int) -> float:
        """Of the voice between two positions: its mean power without the pauses, in dB of full
        scale; silence is -100."""
        first = max(0, (start - self._start) // FRAME_SAMPLES)
        powers = self._powers[first : max(0, (end - self._start) // FRAME_SAMPLES)]
        if not len(powers):
            return -100.0
        voiced = powers[powers >= powers.max() * 10 ** (-NEAR_PEAK_DB / 10)]
        return float(10 * np.log10(max(_LEAST, voiced.mean())))
