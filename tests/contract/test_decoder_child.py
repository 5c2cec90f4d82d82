"""The decoder's child processes: one for each upload, bounded, and gone with it."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys

import av
import numpy as np
import psutil
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from kaiwa.adapters import pyav_decoder
from kaiwa.adapters.pyav_decoder import PyAvDecoder
from kaiwa.domain.audio import SAMPLE_RATE, Container
from kaiwa.errors import BrokenAudio, Unavailable
from tests.contract.uploads import (
    as_recorded,
    assert_tone,
    collect,
    decode,
    peak_memory_kb,
    webm,
    write_all,
)


def children() -> set[psutil.Process]:
    """Of this process, whoever began them."""
    return set(psutil.Process().children())


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
    before = children()
    decoder = PyAvDecoder()
    await decoder.ready()
    (spare,) = children() - before
    await decoder.close()
    assert not spare.is_running()


@pytest.mark.parametrize("leaves", [True, False], ids=["who leaves", "who waits"])
async def test_one_that_starts_while_the_decoder_is_closed_is_gone_too(leaves: bool) -> None:
    before = children()
    decoder = PyAvDecoder()

    async def upload() -> None:
        async with decoder.open(Container.WEBM):
            raise AssertionError("it was closed")

    task = asyncio.ensure_future(upload())
    while True:
        await asyncio.sleep(0)
        if begun := children() - before:
            break
    await decoder.close()
    if leaves:
        task.cancel()
    with pytest.raises(asyncio.CancelledError if leaves else Unavailable):
        await task
    assert not any(child.is_running() for child in begun)


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
    before = children()
    await decoder.ready()
    (spare,) = children() - before
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
    async with decoder.open(Container.WEBM) as decoding:
        os.kill(decoding.pid, signal.SIGSTOP)
        monkeypatch.setattr(pyav_decoder, "STALL_S", 0.1)
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
                peak_kb = max(peak_kb, peak_memory_kb(decoding.pid))
    assert samples / SAMPLE_RATE == pytest.approx(minutes * 60, abs=1)
    assert 0 < peak_kb < 80_000


async def test_the_sandbox_is_reported(decoder: PyAvDecoder) -> None:
    report = await decoder.sandbox_report()
    assert report["no_new_descriptors"]
    assert "no_network" in report
