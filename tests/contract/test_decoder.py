"""What every decoder does with uploads, and what the real one must never do."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import struct
import sys
import wave
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from kaiwa.adapters import pyav_decoder
from kaiwa.adapters.memory.decoder import PassThroughDecoder
from kaiwa.adapters.pyav_decoder import PyAvDecoder
from kaiwa.domain.audio import SAMPLE_RATE, Container, Samples
from kaiwa.errors import BrokenAudio, KaiwaError, TooMuch
from kaiwa.ports.decoder import Decoder, Decoding

TONE_HZ = 440
SECONDS = 2.0
CODEC_SLACK_S = 0.08  # coders add a frame or two of padding
_CLUSTER = bytes.fromhex("1F43B675")
_FRAGMENTED = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    "frag_duration": "120000",
}


def tone(seconds: float, rate: int) -> Samples:
    time = np.arange(int(seconds * rate)) / rate
    return (np.sin(2 * np.pi * TONE_HZ * time) * 8_000).astype(np.int16)


def encode(
    path: str | io.BytesIO,
    muxer: str,
    codec: str,
    seconds: float = SECONDS,
    options: dict[str, str] | None = None,
) -> None:
    with av.open(path, mode="w", format=muxer, options=options or {}) as container:
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        assert isinstance(stream, AudioStream)
        frame = AudioFrame.from_ndarray(tone(seconds, 48_000).reshape(1, -1), "s16", "mono")
        frame.sample_rate = 48_000
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def encoded(
    muxer: str, codec: str, seconds: float = SECONDS, options: dict[str, str] | None = None
) -> bytes:
    file = io.BytesIO()
    encode(file, muxer, codec, seconds, options)
    return file.getvalue()


def webm(seconds: float = SECONDS) -> bytes:
    return encoded("webm", "libopus", seconds, {"live": "1", "cluster_time_limit": "120"})


def as_recorded(recording: bytes) -> list[bytes]:
    """The chunks in which MediaRecorder would have given a WebM: only the first has the header."""
    header, *clusters = recording.split(_CLUSTER)
    first, *others = (_CLUSTER + cluster for cluster in clusters)
    return [header + first, *others]


def wav(samples: Samples, rate: int = SAMPLE_RATE) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.tobytes())
    return file.getvalue()


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


async def write_all(decoding: Decoding, chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        await decoding.write(chunk)
    await decoding.end()


def peak_memory_kb(pid: int) -> int:
    """0 once the process has given its memory back."""
    _, _, peak = Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")
    return int(peak.split()[0]) if peak else 0


async def collect(decoding: Decoding) -> Samples:
    parts = [part async for part in decoding.samples()]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


async def decode(decoder: Decoder, container: Container, chunks: Iterable[bytes]) -> Samples:
    async with decoder.open(container) as decoding, asyncio.TaskGroup() as tasks:
        tasks.create_task(write_all(decoding, chunks))
        reading = tasks.create_task(collect(decoding))
    return reading.result()


async def failure_of(
    decoder: Decoder, container: Container, data: bytes
) -> tuple[Samples, KaiwaError]:
    """What was decoded before the error, and the error; the writer may or may not see it too."""
    parts: list[Samples] = [np.zeros(0, np.int16)]
    async with decoder.open(container) as decoding:
        writing = asyncio.ensure_future(write_all(decoding, in_pieces(data, 4_000)))
        with pytest.raises((BrokenAudio, TooMuch)) as caught:
            async for part in decoding.samples():
                parts.append(part)
        (seen,) = await asyncio.gather(writing, return_exceptions=True)
        assert seen is None or isinstance(seen, type(caught.value))
    return np.concatenate(parts), caught.value


def pitch(samples: Samples) -> float:
    """The strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64) * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * SAMPLE_RATE / len(samples)


def assert_tone(samples: Samples, seconds: float, slack: float = CODEC_SLACK_S) -> None:
    assert len(samples) / SAMPLE_RATE == pytest.approx(seconds, abs=slack)
    assert pitch(samples) == pytest.approx(TONE_HZ, abs=5)
    assert 6_000 < int(np.abs(samples).max()) < 10_500


@pytest.fixture
async def decoder() -> AsyncIterator[PyAvDecoder]:
    made = PyAvDecoder()
    yield made
    await made.close()


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
        (Container.MP4, "mp4", "aac", _FRAGMENTED),
        (Container.MP4, "mp4", "libopus", _FRAGMENTED),
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
        first = encoded("mp4", "libopus", options=_FRAGMENTED)[:4_000]
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
    assert "The upload is not" in str(failure)


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
    assert "damaged after 1.0 s" in str(failure)


async def test_another_container_than_the_promised_one_is_broken(decoder: PyAvDecoder) -> None:
    await failure_of(decoder, Container.WEBM, encoded("ogg", "libopus"))


async def test_a_codec_that_is_not_on_the_list_is_named(decoder: PyAvDecoder) -> None:
    _, failure = await failure_of(decoder, Container.OGG, encoded("ogg", "flac"))
    assert "flac" in str(failure)


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


async def test_a_classical_mp4_has_a_bound(decoder: PyAvDecoder) -> None:
    head = b"\0\0\0\x10ftypM4A \0\0\0\0" + struct.pack(">I4s", 0, b"mdat")
    _, failure = await failure_of(decoder, Container.MP4, head + bytes(65 * 1024 * 1024))
    assert isinstance(failure, TooMuch)


@pytest.mark.parametrize("container", [Container.WEBM, Container.OGG, Container.MP4, Container.WAV])
async def test_a_playlist_opens_nothing(
    decoder: PyAvDecoder, container: Container, tmp_path: Path
) -> None:
    visits: list[str] = []

    async def visited(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append("connection")
        writer.close()

    server = await asyncio.start_server(visited, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bait = tmp_path / "bait.wav"
    bait.write_bytes(wav(tone(1.0, SAMPLE_RATE)))
    playlists = [
        f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.wav\n#EXTINF:1,\nfile://{bait}\n",
        f"ffconcat version 1.0\nfile '{bait}'\nfile 'http://127.0.0.1:{port}/a.wav'\n",
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio {port} RTP/AVP 0\n",
        f"<?xml version='1.0'?><MPD><BaseURL>http://127.0.0.1:{port}/</BaseURL></MPD>",
    ]
    async with server:
        for playlist in playlists:
            got, _ = await failure_of(decoder, container, playlist.encode())
            assert len(got) == 0
    assert visits == []


def box(name: bytes, body: bytes) -> bytes:
    """One with version and flags (ISO/IEC 14496-12, 4.2)."""
    return struct.pack(">I4sI", len(body) + 12, name, 0) + body


def alias(file: bytes) -> bytes:
    """A data reference of QuickTime's: a Macintosh alias record, with the path in its type 2."""
    names = bytes(10) + b"\4disk" + bytes(35) + b"\4file" + bytes(59)
    levels = bytes(16) + struct.pack(">HH", 1, 1) + bytes(16)
    path = struct.pack(">HH", 2, len(file)) + file
    return box(b"alis", names + levels + path + struct.pack(">Hh", 0xFFFF, 0))


def elsewhere(mp4: bytes, reference: bytes) -> bytes:
    """The file with its sound said to be in another one."""
    out, at = bytearray(mp4), mp4.rindex(b"moov")
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        at = out.index(name, at)
        (size,) = struct.unpack(">I", out[at - 4 : at])
        out[at - 4 : at] = struct.pack(">I", size + len(reference) - 12)
    out[at + 12 : at + 24] = reference  # the one entry, which says "in this file"
    return bytes(out)


@pytest.mark.parametrize("options", [{}, _FRAGMENTED])
async def test_the_sound_of_an_mp4_is_not_looked_for_elsewhere(
    decoder: PyAvDecoder, options: dict[str, str]
) -> None:
    mp4 = encoded("mp4", "aac", 0.5, options)
    wanted: list[str] = []

    def io_open(url: str, *_: object) -> None:
        wanted.append(url)
        raise OSError

    careless = {"enable_drefs": "1", "use_absolute_path": "1"}
    elsewhere_mp4 = elsewhere(mp4, alias(b"/bait.wav!"))
    with suppress(OSError), av.open(io.BytesIO(elsewhere_mp4), options=careless, io_open=io_open):
        pass
    assert wanted == ["bait.wav!"]  # so the reference is one
    assert len(await decode(decoder, Container.MP4, [elsewhere_mp4])) == 0
    url = elsewhere(
        mp4, box(b"url ", b"http://127.0.0.1:1/bait.wav\0")
    )  # which libav does not read
    assert_tone(await decode(decoder, Container.MP4, [url]), 0.5)


def forged(data: bytes, name: bytes, after: int, value: bytes) -> bytes:
    """Written over, so many bytes after the last of that name."""
    at = data.rindex(name) + len(name) + after
    return data[:at] + value + data[at + len(value) :]


async def test_a_forged_duration_changes_nothing(decoder: PyAvDecoder) -> None:
    mp4 = encoded("mp4", "aac", 0.5)
    for name, after in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)):
        mp4 = forged(mp4, name, after, b"\x7f\xff\xff\xff")
    long_webm = forged(
        encoded("webm", "libopus", 0.5), b"\x44\x89\x88", 0, struct.pack(">d", 1e300)
    )
    for container, data in ((Container.MP4, mp4), (Container.WEBM, long_webm)):
        assert_tone(await decode(decoder, container, [data]), 0.5)


async def test_an_index_of_four_billion_entries_is_not_believed(decoder: PyAvDecoder) -> None:
    mp4, most = encoded("mp4", "aac", 0.5), b"\xff" * 4
    one = b"\0\0\0\1"
    mp4 = forged(mp4, b"stsz", 4, one + most)  # so many samples, of one byte each
    mp4 = forged(forged(mp4, b"stts", 8, most), b"stsc", 12, most)
    assert len(await decode(decoder, Container.MP4, [mp4])) == 0


# --- the child process --------------------------------------------------------------------------


async def test_the_child_is_gone_after_the_block(decoder: PyAvDecoder) -> None:
    async with decoder.open(Container.WEBM) as decoding:
        await decoding.write(webm()[:5_000])
        assert psutil.pid_exists(decoding.pid)
    assert not psutil.pid_exists(decoding.pid)


async def test_the_child_is_gone_after_a_cancellation(decoder: PyAvDecoder) -> None:
    waiting = asyncio.Event()
    pids: list[int] = []

    async def upload() -> None:
        async with decoder.open(Container.WEBM) as decoding:
            pids.append(decoding.pid)
            await decoding.write(b"")
            waiting.set()
            await collect(decoding)

    task = asyncio.ensure_future(upload())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not psutil.pid_exists(pids[0])


async def test_closing_ends_the_spare_child() -> None:
    decoder = PyAvDecoder()
    await decoder.ready()
    own = psutil.Process()
    children = own.children()
    assert children
    await decoder.close()
    assert not [child for child in children if child.is_running()]


async def test_uploads_at_once_have_a_child_each(decoder: PyAvDecoder) -> None:
    recording = webm(0.5)
    async with asyncio.TaskGroup() as tasks:
        uploads = [
            tasks.create_task(decode(decoder, Container.WEBM, as_recorded(recording)))
            for _ in range(4)
        ]
    for upload in uploads:
        assert_tone(upload.result(), 0.5)


async def test_a_spare_that_died_is_not_used(decoder: PyAvDecoder) -> None:
    await decoder.ready()
    (spare,) = psutil.Process().children()
    spare.kill()
    chunks = as_recorded(webm(0.5))
    try:
        got = await decode(decoder, Container.WEBM, chunks)
    except ExceptionGroup:  # its end reached us only while it was being used
        got = await decode(decoder, Container.WEBM, chunks)
    assert_tone(got, 0.5)


async def test_a_child_that_is_killed_breaks_its_upload_only(decoder: PyAvDecoder) -> None:
    async with decoder.open(Container.WEBM) as decoding:
        await decoding.write(webm()[:5_000])
        os.kill(decoding.pid, signal.SIGKILL)
        with pytest.raises(BrokenAudio):
            await collect(decoding)
        with pytest.raises(BrokenAudio):
            await decoding.write(b"more")
    assert_tone(await decode(decoder, Container.WEBM, as_recorded(webm(0.5))), 0.5)


async def test_a_stuck_child_is_given_up(
    decoder: PyAvDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyav_decoder, "STALL_S", 0.1)
    async with decoder.open(Container.WEBM) as decoding:
        os.kill(decoding.pid, signal.SIGSTOP)
        await decoding.write(webm()[:5_000])
        with pytest.raises(BrokenAudio, match="stuck"):
            await collect(decoding)
    assert not psutil.pid_exists(decoding.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_minutes_of_silence_in_few_bytes_do_not_pile_up(decoder: PyAvDecoder) -> None:
    """Opus says silence in three bytes: the child holds what the pipe holds, not all of it."""
    minutes = 20
    file = io.BytesIO()
    with av.open(file, mode="w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        assert isinstance(stream, AudioStream)
        stream.bit_rate = 6_000
        frame = AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), "s16", "mono")
        frame.sample_rate = 48_000
        stream.encode(frame)
        quiet = bytes.fromhex("f8fffe")  # 20 ms of silence
        for number in range(minutes * 60 * 50):
            packet = av.Packet(quiet)
            packet.stream = stream
            packet.time_base = stream.codec_context.time_base
            packet.pts = packet.dts = number * 960
            packet.duration = 960
            container.mux(packet)
    async with decoder.open(Container.OGG) as decoding, asyncio.TaskGroup() as tasks:
        tasks.create_task(write_all(decoding, [file.getvalue()]))
        samples, peak_kb = 0, 0
        async for part in decoding.samples():
            samples += len(part)
            if samples > minutes * 50 * SAMPLE_RATE:
                with suppress(FileNotFoundError):  # it may have ended by now
                    peak_kb = max(peak_kb, peak_memory_kb(decoding.pid))
    assert samples / SAMPLE_RATE == pytest.approx(minutes * 60, abs=1)
    assert 0 < peak_kb < 80_000


async def test_the_sandbox_is_reported(decoder: PyAvDecoder) -> None:
    report = await decoder.sandbox_report()
    assert report["no_new_descriptors"]
    assert "no_network" in report
