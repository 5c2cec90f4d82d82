"""Recordings that are on this machine: decoded where they are, whatever their size."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from kaiwa.adapters.container_input import CLASSIC_MP4_BYTES
from kaiwa.adapters.memory.decoder import PassThroughDecoder
from kaiwa.adapters.pyav_decoder import PyAvDecoder
from kaiwa.domain.audio import SAMPLE_RATE, Container, Samples
from kaiwa.errors import KaiwaError
from kaiwa.ports.decoder import Decoder
from tests.contract.uploads import (
    FRAGMENTED,
    SECONDS,
    assert_tone,
    decode_file,
    encode,
    encoded,
    peak_memory_kb,
    piped,
    recording,
    tone,
    wav,
    webm,
)

INDEX_FIRST = {"movflags": "faststart"}


@pytest.fixture(params=["real", "fake"])
async def any_decoder(request: pytest.FixtureRequest) -> AsyncIterator[Decoder]:
    made: Decoder = PyAvDecoder() if request.param == "real" else PassThroughDecoder()
    yield made
    await made.close()


def children() -> set[psutil.Process]:
    return set(psutil.Process().children())


async def decoded(
    decoder: Decoder, container: Container, file: Path
) -> tuple[Samples, KaiwaError | None]:
    with file.open("rb", buffering=0) as opened:
        return await decode_file(decoder, container, opened.fileno())


async def test_a_file_comes_through_sample_for_sample(any_decoder: Decoder, tmp_path: Path) -> None:
    sound, file = tone(1.0, SAMPLE_RATE), tmp_path / "a.wav"
    file.write_bytes(wav(sound))
    got, error = await decoded(any_decoder, Container.WAV, file)
    np.testing.assert_array_equal(got, sound)
    assert error is None


async def test_a_pipe_comes_through_sample_for_sample(any_decoder: Decoder) -> None:
    sound = tone(1.0, SAMPLE_RATE)
    with piped(wav(sound)) as pipe:
        got, error = await decode_file(any_decoder, Container.WAV, pipe)
    np.testing.assert_array_equal(got, sound)
    assert error is None


@pytest.mark.parametrize(
    ("container", "muxer", "codec", "options"),
    [
        (Container.WEBM, "webm", "libopus", {}),
        (Container.OGG, "ogg", "libopus", {}),
        (Container.MP4, "mp4", "aac", {}),
        (Container.MP4, "mp4", "aac", INDEX_FIRST),
        (Container.MP4, "mp4", "aac", FRAGMENTED),
        (Container.MP3, "mp3", "libmp3lame", {}),
        (Container.FLAC, "flac", "flac", {}),
    ],
)
async def test_files_and_pipes(
    decoder: PyAvDecoder,
    container: Container,
    muxer: str,
    codec: str,
    options: dict[str, str],
    tmp_path: Path,
) -> None:
    file = tmp_path / "recording"
    encode(str(file), muxer, codec, options=options)
    sound, error = await decoded(decoder, container, file)
    assert_tone(sound, SECONDS)
    with piped(file.read_bytes()) as pipe:
        again, error_again = await decode_file(decoder, container, pipe)
    np.testing.assert_array_equal(sound, again)
    assert error is None and error_again is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_an_index_at_the_end_of_a_big_file_is_looked_up_there(
    decoder: PyAvDecoder, tmp_path: Path
) -> None:
    seconds = 30  # more than pipes hold, so that the child lasts while it is looked at
    mp4, file = encoded("mp4", "aac", seconds), tmp_path / "big.m4a"
    index = mp4.rindex(b"moov") - 4
    gap = 4 * CLASSIC_MP4_BYTES
    with file.open("wb") as big:
        big.write(mp4[:index] + struct.pack(">I4s", gap, b"free"))
        big.seek(index + gap)
        big.write(mp4[index:])
    with file.open("rb", buffering=0) as opened:
        peak_kb, samples, before = 0, 0, children()
        async with decoder.open_file(recording(opened.fileno(), Container.MP4)) as blocks:
            (child,) = children() - before
            async for block in blocks:
                samples += len(block)
                if samples < SAMPLE_RATE * seconds // 2:
                    peak_kb = peak_memory_kb(child.pid)
    assert samples / SAMPLE_RATE == pytest.approx(seconds, abs=0.1)
    assert 0 < peak_kb < 80_000


@pytest.mark.parametrize(
    ("container", "muxer", "codec", "options"),
    [
        (Container.WAV, "wav", "pcm_s16le", {}),
        (Container.WEBM, "webm", "libopus", {}),
        (Container.MP4, "mp4", "aac", INDEX_FIRST),
        (Container.FLAC, "flac", "flac", {}),
    ],
)
async def test_what_is_there_of_a_file_that_is_cut_off_is_kept(
    decoder: PyAvDecoder,
    container: Container,
    muxer: str,
    codec: str,
    options: dict[str, str],
    tmp_path: Path,
) -> None:
    file = tmp_path / "recording"
    encode(str(file), muxer, codec, 6.0, options)
    os.truncate(file, file.stat().st_size * 6 // 10)
    sound, error = await decoded(decoder, container, file)
    assert_tone(sound, 3.6, slack=0.5)
    assert "cut off; it says that it lasts 0:00:06. It could be read up to 0:00:0" in str(error)


async def test_what_is_before_the_damage_is_kept(decoder: PyAvDecoder, tmp_path: Path) -> None:
    file = tmp_path / "damaged.m4a"
    encode(str(file), "mp4", "aac", 6.0, INDEX_FIRST)
    half = file.stat().st_size // 2
    file.write_bytes(file.read_bytes()[:half] + bytes(half))
    sound, error = await decoded(decoder, Container.MP4, file)
    assert_tone(sound, 3.0, slack=0.5)
    assert "damaged. It could be read up to 0:00:03." in str(error)


async def test_an_index_that_is_cut_off_leaves_nothing(
    decoder: PyAvDecoder, tmp_path: Path
) -> None:
    file = tmp_path / "cut.m4a"
    file.write_bytes(encoded("mp4", "aac")[:-500])
    sound, error = await decoded(decoder, Container.MP4, file)
    assert len(sound) == 0
    assert "ends before its header does" in str(error)


async def test_a_recorder_that_was_killed_breaks_nothing(
    decoder: PyAvDecoder, tmp_path: Path
) -> None:
    """What does not say how long it is ends where it ends."""
    file = tmp_path / "killed.webm"
    file.write_bytes(webm()[: len(webm()) // 2])
    sound, error = await decoded(decoder, Container.WEBM, file)
    assert_tone(sound, SECONDS / 2, slack=0.15)
    assert error is None


async def test_the_child_of_a_file_is_gone_after_the_block(decoder: PyAvDecoder) -> None:
    before = children()
    reading, writing = os.pipe()
    os.write(writing, wav(tone(0.5, SAMPLE_RATE))[:8_000])
    async with decoder.open_file(recording(reading, Container.WAV)) as blocks:
        await anext(aiter(blocks))
        (child,) = children() - before
    assert not child.is_running()
    os.close(writing)
    os.close(reading)
