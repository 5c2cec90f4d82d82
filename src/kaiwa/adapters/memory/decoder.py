"""A decoder without libav: WAV at 16 kHz, mono, 16 bits, passed through as it arrives."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from kaiwa.domain.audio import SAMPLE_RATE, Container, Samples
from kaiwa.errors import BrokenAudio
from kaiwa.ports.decoder import Recording

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")  # RIFF, fmt and data, nothing between them
_EXPECTED = (b"RIFF", b"WAVE", b"fmt ", b"data")
_SHAPE = (1, 1, SAMPLE_RATE, SAMPLE_RATE * 2, 2, 16)
_CHUNKS = 16  # bound of the queue; the writer waits


class PassThroughDecoder:
    """`ports.decoder.Decoder`; takes what a test writes as WAV, calls all else broken."""

    @asynccontextmanager
    async def open(self, container: Container) -> AsyncIterator[PassThroughDecoding]:
        if container is Container.L16:
            raise ValueError("L16 is samples already")
        yield PassThroughDecoding()

    @asynccontextmanager
    async def open_file(self, recording: Recording) -> AsyncIterator[AsyncIterator[Samples]]:
        async with self.open(recording.container) as decoding:
            with os.fdopen(recording.descriptor, "rb", closefd=False) as file:
                await decoding.write(recording.head + await asyncio.to_thread(file.read))
            await decoding.end()
            yield decoding.samples()

    async def close(self) -> None:
        """Nothing to close."""


class PassThroughDecoding:
    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue(_CHUNKS)
        self._failure: BrokenAudio | None = None

    async def write(self, data: bytes) -> None:
        if self._failure is not None:
            raise BrokenAudio(str(self._failure))
        if data:
            await self._chunks.put(data)

    async def end(self) -> None:
        await self._chunks.put(b"")

    async def samples(self) -> AsyncIterator[Samples]:
        waiting = b""
        header_seen = False
        while data := await self._chunks.get():
            waiting += data
            if not header_seen:
                if len(waiting) < _HEADER.size:
                    continue
                self._check(waiting)
                waiting, header_seen = waiting[_HEADER.size :], True
            whole = len(waiting) // 2 * 2
            if whole:
                yield np.frombuffer(waiting[:whole], "<i2")
                waiting = waiting[whole:]
        if not header_seen:
            raise self._broken()

    def _check(self, data: bytes) -> None:
        riff, _, wave, fmt, _, *shape, name, _ = _HEADER.unpack_from(data)
        if (riff, wave, fmt, name) != _EXPECTED or tuple(shape) != _SHAPE:
            raise self._broken()

    def _broken(self) -> BrokenAudio:
        self._failure = BrokenAudio("The recording is not WAV sound at 16 kHz.")
        while not self._chunks.empty():  # a writer that waits learns of it at its next chunk
            self._chunks.get_nowait()
        return self._failure
