"""How the tests of decoders make uploads and read what becomes of them."""

from __future__ import annotations

import asyncio
import io
import os
import threading
import wave
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from kaiwa.domain.audio import MAGIC_BYTES, SAMPLE_RATE, Container, Samples
from kaiwa.errors import BrokenAudio, KaiwaError, TooMuch
from kaiwa.ports.decoder import Decoder, Decoding, Recording

TONE_HZ = 440
SECONDS = 2.0
CODEC_SLACK_S = 0.08  # coders add a frame or two of padding
_CLUSTER = bytes.fromhex("1F43B675")
FRAGMENTED = {
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
    try:
        _, _, peak = Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")
    except (FileNotFoundError, ProcessLookupError):
        return 0
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


@contextmanager
def piped(data: bytes) -> Iterator[int]:
    """What a pipe's reader has, to which somebody writes."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe, suppress(BrokenPipeError):
            pipe.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield reading
    finally:
        os.close(reading)
        writer.join()


def recording(descriptor: int, container: Container) -> Recording:
    return Recording(descriptor, os.read(descriptor, MAGIC_BYTES), container)


async def decode_file(
    decoder: Decoder, container: Container, descriptor: int
) -> tuple[Samples, KaiwaError | None]:
    """What was decoded, and the error it ended with."""
    parts: list[Samples] = [np.zeros(0, np.int16)]
    async with decoder.open_file(recording(descriptor, container)) as blocks:
        try:
            async for part in blocks:
                parts.append(part)
        except BrokenAudio as error:
            return np.concatenate(parts), error
    return np.concatenate(parts), None


def pitch(samples: Samples) -> float:
    """The strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64) * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * SAMPLE_RATE / len(samples)


def assert_tone(samples: Samples, seconds: float, slack: float = CODEC_SLACK_S) -> None:
    assert len(samples) / SAMPLE_RATE == pytest.approx(seconds, abs=slack)
    assert pitch(samples) == pytest.approx(TONE_HZ, abs=5)
    assert 6_000 < int(np.abs(samples).max()) < 10_500
