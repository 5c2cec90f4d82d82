"""What every decoder does with uploads, and what becomes of those that are broken."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import av
import numpy as np
import pytest

from kaiwa.adapters.memory.decoder import PassThroughDecoder
from kaiwa.adapters.pyav_decoder import PyAvDecoder
from kaiwa.domain.audio import SAMPLE_RATE, Container
from kaiwa.ports.decoder import Decoder
from tests.contract.uploads import (
    CODEC_SLACK_S,
    FRAGMENTED,
    SECONDS,
    TONE_HZ,
    as_recorded,
    assert_tone,
    decode,
    encode,
    encoded,
    failure_of,
    in_pieces,
    pitch,
    tone,
    wav,
    webm,
)


@pytest.fixture(params=["real", "fake"])
async def any_decoder(request: pytest.FixtureRequest) -> AsyncIterator[Decoder]:
    made: Decoder = PyAvDecoder() if request.param == "real" else PassThroughDecoder()
    yield made
    await made.close()


# --- every decoder ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 3_200, 1_000_000])
async def test_wav_comes_through_sample_for_sample(any_decoder: Decoder, size: int) -> None:
    sound = tone(0.25, SAMPLE_RATE)
    got = await decode(any_decoder, Container.WAV, in_pieces(wav(sound), size))
    np.testing.assert_array_equal(got, sound)


async def test_samples_come_before_the_end_of_the_upload(any_decoder: Decoder) -> None:
    sound = tone(1.0, SAMPLE_RATE)
    async with any_decoder.open(Container.WAV) as decoding:
        await decoding.write(wav(sound)[:16_000])
        samples = aiter(decoding.samples())
        first = await anext(samples)
        np.testing.assert_array_equal(first, sound[: len(first)])


async def test_what_is_not_the_container_is_broken(any_decoder: Decoder) -> None:
    got, failure = await failure_of(any_decoder, Container.WAV, b"no sound at all " * 100)
    assert len(got) == 0
    assert "WAV" in str(failure)


async def test_a_header_that_never_comes_is_broken(any_decoder: Decoder) -> None:
    await failure_of(any_decoder, Container.WAV, b"RIFF")


async def test_nobody_decodes_samples(any_decoder: Decoder) -> None:
    with pytest.raises(ValueError, match="L16"):
        async with any_decoder.open(Container.L16):
            pass


# --- the containers of browsers and phones ------------------------------------------------------


async def test_webm_as_mediarecorder_makes_it(decoder: PyAvDecoder) -> None:
    chunks = as_recorded(webm())
    assert len(chunks) > 10
    assert_tone(await decode(decoder, Container.WEBM, chunks), SECONDS)


@pytest.mark.parametrize(
    ("container", "muxer", "codec", "options"),
    [
        (Container.OGG, "ogg", "libopus", {}),
        (Container.MP4, "mp4", "aac", FRAGMENTED),
        (Container.MP4, "mp4", "libopus", FRAGMENTED),
        (Container.MP4, "mp4", "aac", {}),  # classical: the index comes last
        (Container.WEBM, "matroska", "pcm_f32le", {}),
        (Container.WAV, "wav", "pcm_s24le", {}),
    ],
)
@pytest.mark.parametrize("size", [1, 1_000, 1_000_000])
async def test_other_containers(
    decoder: PyAvDecoder,
    container: Container,
    muxer: str,
    codec: str,
    options: dict[str, str],
    size: int,
) -> None:
    seconds = 0.5 if size == 1 else SECONDS
    data = encoded(muxer, codec, seconds, options)
    assert_tone(await decode(decoder, container, in_pieces(data, size)), seconds)


async def test_webm_byte_by_byte(decoder: PyAvDecoder) -> None:
    assert_tone(await decode(decoder, Container.WEBM, in_pieces(webm(0.5), 1)), 0.5)


async def test_an_m4a_file_with_its_index_first(decoder: PyAvDecoder, tmp_path: Path) -> None:
    file = tmp_path / "fast.m4a"
    encode(str(file), "mp4", "aac", options={"movflags": "faststart"})
    assert_tone(await decode(decoder, Container.MP4, [file.read_bytes()]), SECONDS)


async def test_a_chained_ogg_goes_on(decoder: PyAvDecoder) -> None:
    one = encoded("ogg", "libopus", 1.0)
    got = await decode(decoder, Container.OGG, in_pieces(one + one, 1_000))
    assert len(got) / SAMPLE_RATE == pytest.approx(2.0, abs=2 * CODEC_SLACK_S)
    assert pitch(got[SAMPLE_RATE:]) == pytest.approx(TONE_HZ, abs=5)


async def test_a_wav_of_unknown_length_goes_on_to_its_end(decoder: PyAvDecoder) -> None:
    sound = tone(0.5, SAMPLE_RATE)
    data = bytearray(wav(sound))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    np.testing.assert_array_equal(await decode(decoder, Container.WAV, [bytes(data)]), sound)


@pytest.mark.parametrize("container", [Container.WEBM, Container.MP4])
async def test_the_first_chunk_is_enough_for_first_samples(
    decoder: PyAvDecoder, container: Container
) -> None:
    if container is Container.WEBM:
        first = as_recorded(webm())[0]
    else:
        first = encoded("mp4", "libopus", options=FRAGMENTED)[:4_000]
    async with decoder.open(container) as decoding:
        await decoding.write(first)
        assert len(await anext(aiter(decoding.samples()))) > 0


# --- what breaks --------------------------------------------------------------------------------


async def test_a_browser_that_closes_loses_nothing_that_arrived(decoder: PyAvDecoder) -> None:
    recording = webm()
    got = await decode(decoder, Container.WEBM, [recording[: len(recording) // 2]])
    assert_tone(got, SECONDS / 2, slack=0.15)


@pytest.mark.parametrize("container", [Container.WEBM, Container.OGG, Container.MP4])
async def test_noise_is_broken(decoder: PyAvDecoder, container: Container) -> None:
    noise = np.random.default_rng(7).bytes(50_000)
    got, failure = await failure_of(decoder, container, noise)
    assert len(got) == 0
    assert "The recording is not" in str(failure)


async def test_an_empty_upload_is_broken(decoder: PyAvDecoder) -> None:
    _, failure = await failure_of(decoder, Container.WEBM, b"")
    assert "empty" in str(failure)


async def test_sound_before_the_damage_is_kept(decoder: PyAvDecoder) -> None:
    recording = webm()
    noise = np.random.default_rng(7).bytes(9 * 1024 * 1024)
    got, failure = await failure_of(
        decoder, Container.WEBM, recording[: len(recording) // 2] + noise
    )
    assert len(got) / SAMPLE_RATE == pytest.approx(SECONDS / 2, abs=0.2)
    assert "damaged. It could be read up to 0:00:01." in str(failure)


async def test_another_container_than_the_promised_one_is_broken(decoder: PyAvDecoder) -> None:
    await failure_of(decoder, Container.WEBM, encoded("ogg", "libopus"))


async def test_a_codec_that_is_not_on_the_list_is_named(decoder: PyAvDecoder) -> None:
    _, failure = await failure_of(decoder, Container.WEBM, encoded("matroska", "ac3"))
    assert "ac3" in str(failure)


async def test_a_forged_rate_does_not_inflate_the_sound(decoder: PyAvDecoder) -> None:
    _, failure = await failure_of(decoder, Container.WAV, wav(tone(0.5, SAMPLE_RATE), rate=1))
    assert "1 Hz" in str(failure)


async def test_an_upload_of_pictures_has_no_sound(decoder: PyAvDecoder) -> None:
    file = io.BytesIO()
    with av.open(file, mode="w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode(None))
    _, failure = await failure_of(decoder, Container.WEBM, file.getvalue())
    assert "no sound" in str(failure)
