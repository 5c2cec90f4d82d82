"""A minute of sounds in which nobody speaks, made from numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from kaiwa.domain.audio import SAMPLE_RATE, Samples

SECONDS = 60
F64 = npt.NDArray[np.float64]


def _time(seconds: float = SECONDS) -> F64:
    return np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def _noise(random: np.random.Generator, seconds: float) -> F64:
    return random.standard_normal(int(seconds * SAMPLE_RATE))


def _smooth(sound: F64, samples: int) -> F64:
    """Low-passed by a moving mean."""
    return np.convolve(sound, np.ones(samples) / samples, "same")


def silence(random: np.random.Generator) -> F64:
    return 1e-4 * _noise(random, SECONDS)


def hum(random: np.random.Generator) -> F64:
    mains = sum(np.sin(2 * np.pi * 50 * n * _time()) / n for n in range(1, 9))
    return 0.1 * np.asarray(mains) + 0.003 * _noise(random, SECONDS)


def keyboard(random: np.random.Generator) -> F64:
    sound = 2e-3 * _noise(random, SECONDS)
    at = 0.5
    while at < SECONDS - 1:
        for delay, loudness in ((0.0, 0.4), (0.09, 0.2)):  # down and up
            key = _noise(random, 0.03) * np.exp(-_time(0.03) / 0.006)
            key += np.sin(2 * np.pi * random.uniform(1_500, 3_500) * _time(0.03)) * np.exp(
                -_time(0.03) / 0.004
            )
            start = int((at + delay) * SAMPLE_RATE)
            sound[start : start + len(key)] += loudness * random.uniform(0.5, 1) * key
        at += random.choice([0.12, 0.18, 0.25, 0.9])
    return sound


def music(random: np.random.Generator) -> F64:
    sound = np.zeros(SECONDS * SAMPLE_RATE)
    scale = 220 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16]) / 12)
    for beat in np.arange(0, SECONDS - 2, 0.5):
        chord = [*random.choice(scale, 1), *(scale[[0, 2, 4]] / 2 if beat % 2 == 0 else ())]
        for pitch in chord:
            length = _time(1.5)
            note = sum(np.sin(2 * np.pi * pitch * n * length) / n**1.5 for n in range(1, 7))
            start = int(beat * SAMPLE_RATE)
            sound[start : start + len(length)] += 0.1 * np.asarray(note) * np.exp(-length / 0.4)
    return sound


def applause(random: np.random.Generator) -> F64:
    sound = np.zeros(SECONDS * SAMPLE_RATE)
    for start in random.integers(0, len(sound) - SAMPLE_RATE, 60 * SECONDS):
        clap = _noise(random, 0.02) * np.exp(-_time(0.02) / 0.004)
        sound[start : start + len(clap)] += random.uniform(0.02, 0.2) * clap
    return sound


def breath(random: np.random.Generator) -> F64:
    swell = np.clip(np.sin(2 * np.pi * 0.3 * _time()), 0, None) ** 2
    rough = _noise(random, SECONDS)
    return 0.1 * swell * (_smooth(rough, 4) - _smooth(rough, 40))


NOISES: Mapping[str, Callable[[np.random.Generator], F64]] = {
    each.__name__: each for each in (silence, hum, keyboard, music, applause, breath)
}


def noise(name: str) -> Samples:
    """A minute of it, the same each time, at 16 kHz."""
    sound = np.clip(NOISES[name](np.random.default_rng(1)), -1, 1)
    return (sound * 32_767).astype(np.int16)
