"""Silence goes, speech stays."""

from __future__ import annotations

import numpy as np
import pytest

from kaiwa.domain.audio import Samples
from kaiwa.policy.trim import MARGIN_MS, SENTENCE_PAUSE_MS, join_sentences, trim_silence

RATE = 24_000


def ms(duration: int) -> int:
    return RATE * duration // 1000


def burst(duration_ms: int, level: int = 10_000) -> Samples:
    return np.full(ms(duration_ms), level, np.int16)


def silence(duration_ms: int) -> Samples:
    return np.zeros(ms(duration_ms), np.int16)


def test_a_margin_of_silence_is_left_on_both_sides() -> None:
    clip = np.concatenate([silence(250), burst(400), silence(600)])
    trimmed = trim_silence(clip, RATE)
    assert len(trimmed) == ms(400 + 2 * MARGIN_MS)
    np.testing.assert_array_equal(trimmed[ms(MARGIN_MS) : -ms(MARGIN_MS)], burst(400))


def test_noise_below_the_floor_is_silence() -> None:
    clip = np.concatenate([burst(250, level=50), burst(400), burst(600, level=50)])
    assert len(trim_silence(clip, RATE)) == ms(400 + 2 * MARGIN_MS)


def test_a_soft_onset_above_the_floor_stays() -> None:
    clip = np.concatenate([silence(250), burst(100, level=60), burst(400)])
    assert len(trim_silence(clip, RATE)) == ms(MARGIN_MS + 100 + 400)


def test_pauses_inside_stay() -> None:
    clip = np.concatenate([burst(100), silence(500), burst(100)])
    np.testing.assert_array_equal(trim_silence(clip, RATE), clip)


@pytest.mark.parametrize("clip", [silence(0), silence(300)])
def test_nothing_but_silence_is_nothing(clip: Samples) -> None:
    assert len(trim_silence(clip, RATE)) == 0


def test_the_loudest_sample_there_is_does_not_overflow() -> None:
    clip = np.concatenate([silence(100), burst(10, level=-32_768), silence(100)])
    assert len(trim_silence(clip, RATE)) == ms(10 + 2 * MARGIN_MS)


def test_sentences_are_joined_by_one_pause() -> None:
    sentence = np.concatenate([silence(250), burst(100), silence(600)])
    joined = join_sentences([sentence, silence(200), sentence], RATE)
    assert len(joined) == ms(2 * (100 + 2 * MARGIN_MS) + SENTENCE_PAUSE_MS)


def test_no_sentence_is_no_sound() -> None:
    assert len(join_sentences([], RATE)) == 0
