"""Clips keep their length and their sound through Opus, and their samples through WAV."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest

from kaiwa.adapters import opus
from kaiwa.domain.audio import Speech, wav
from kaiwa.errors import BrokenAudio


def sweep(samples: int, rate: int) -> Speech:
    """A tone that rises from 150 Hz to 1.2 kHz: every place in it is different."""
    time = np.arange(samples) / rate
    length = max(samples / rate, 1e-3)
    phase = 2 * np.pi * (150 * time + (1_050 / (2 * length)) * time**2)
    return Speech((np.sin(phase) * 9_000).astype(np.int16), rate)


@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
@pytest.mark.parametrize("ms", [5, 20, 333, 1_000, 2_517])
def test_the_length_comes_back_to_the_sample(rate: int, ms: int) -> None:
    speech = sweep(rate * ms // 1000, rate)
    back = opus.decode(opus.encode(speech))
    assert back.rate == rate
    assert len(back.pcm) == len(speech.pcm)


@pytest.mark.parametrize("rate", [24_000, 48_000])
def test_the_sound_comes_back_in_its_place(rate: int) -> None:
    speech = sweep(rate * 2, rate)
    back = opus.decode(opus.encode(speech))
    assert np.corrcoef(speech.pcm, back.pcm)[0, 1] > 0.98


def test_it_is_small() -> None:
    speech = sweep(24_000 * 10, 24_000)
    assert len(opus.encode(speech)) < 10 * opus.BIT_RATE / 8 * 1.3


def test_no_sound_is_no_clip() -> None:
    with pytest.raises(ValueError, match="no sound"):
        opus.encode(Speech(np.zeros(0, np.int16), 24_000))


def test_a_rate_opus_does_not_have() -> None:
    with pytest.raises(ValueError, match="22050"):
        opus.encode(sweep(22_050, 22_050))


@pytest.mark.parametrize(
    "data", [b"", b"OggS", b"not a clip" * 20, b"OpusHead" + bytes(30), b"OpusHead\1\1\0\0\xc0\x5d"]
)
def test_what_is_no_clip_is_broken(data: bytes) -> None:
    with pytest.raises(BrokenAudio):
        opus.decode(data)


def test_a_cut_clip_keeps_its_beginning() -> None:
    speech = sweep(24_000 * 4, 24_000)
    whole = opus.encode(speech)
    back = opus.decode(whole[: len(whole) * 3 // 4])
    assert 0 < len(back.pcm) < len(speech.pcm)


def test_wav_keeps_every_sample() -> None:
    speech = sweep(12_345, 24_000)
    with wave.open(io.BytesIO(wav(speech))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        assert file.readframes(20_000) == speech.pcm.tobytes()
