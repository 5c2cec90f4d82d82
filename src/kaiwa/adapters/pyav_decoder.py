"""Compressed uploads, decoded by libav in a child process each.

The child has nothing to lose: no network, no files, little memory (`sandbox`). One spare child is
always kept ready, so that the first samples of a recording come within milliseconds of its first
bytes. Every pipe is bounded: a reader that pauses stops the child, and the child stops the writer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import numpy as np

from kaiwa.adapters.child_process import ChildFailed, ChildProcess
from kaiwa.adapters.decoder_frames import END, HUNGRY, SAMPLES, TOO_MUCH
from kaiwa.domain.audio import SAMPLE_RATE, Container, Samples
from kaiwa.errors import BrokenAudio, KaiwaError, TooMuch, Unavailable
from kaiwa.ports.decoder import Recording

STALL_S = 20.0  # a chunk takes a millisecond; a child this long without a word is stuck
VERDICT_S = 5.0  # how long a refused writer waits for the reader to learn the reason
_SHUT = "The sound decoder is shut down."
_CHILD = "kaiwa.adapters.pyav_decoder_child"
_MAX_FRAME = 4 * 1024 * 1024
_SLICE = 65_536
_SAMPLE = np.dtype("<i2")


class PyAvDecoder:
    """`ports.decoder.Decoder`; its owner calls `close`."""

    def __init__(self) -> None:
        self._spares: list[asyncio.Task[ChildProcess]] = []
        self._closed = False

    async def ready(self) -> None:
        """Have a spare child waiting. Raises Unavailable with the reason if it cannot start."""
        self._prepare()
        for spare in self._spares[:1]:
            try:
                await asyncio.shield(spare)
            except ChildFailed as failure:
                self._spares.remove(spare)
                raise Unavailable(f"The sound decoder does not start: {failure}.") from failure

    async def sandbox_report(self) -> dict[str, bool]:
        """What keeps a decoder child in on this machine: see `sandbox.Confinement`."""
        child = await self._take()
        try:
            return {str(name): bool(held) for name, held in json.loads(child.ready).items()}
        finally:
            await child.stop()

    @asynccontextmanager
    async def open(self, container: Container) -> AsyncIterator[PyAvDecoding]:
        """See the port. Raises Unavailable when no child can be started."""
        if container is Container.L16:
            raise ValueError("L16 is samples already")
        child = await self._take()
        try:
            yield PyAvDecoding(child, f"{container.value}\n")
        finally:
            await child.stop()

    @asynccontextmanager
    async def open_file(self, recording: Recording) -> AsyncIterator[AsyncIterator[Samples]]:
        """See the port. Raises Unavailable when no child can be started."""
        try:
            child = await _start(recording.descriptor)
        except ChildFailed as failure:
            raise Unavailable(f"The sound decoder does not start: {failure}.") from failure
        try:
            file = f"{recording.descriptor} {recording.head.hex()}"
            child.send_soon(f"{recording.container.value} {file}\n".encode())
            yield PyAvDecoding(child).samples()
        finally:
            await child.stop()

    async def close(self) -> None:
        self._closed = True
        spares, self._spares = self._spares, []
        await _end(*spares)

    def _prepare(self) -> None:
        if not self._spares and not self._closed:
            self._spares.append(asyncio.create_task(_start(), name="spare decoder"))

    async def _take(self) -> ChildProcess:
        """The spare child, or a new one where a burst of uploads has taken it."""
        if self._closed:
            raise Unavailable(_SHUT)
        self._prepare()
        spare = self._spares.pop()
        try:
            child = await asyncio.shield(spare)
            if not child.alive:
                await child.stop()
                child = await _start()
        except ChildFailed as failure:
            raise Unavailable(f"The sound decoder does not start: {failure}.") from failure
        except asyncio.CancelledError:
            if self._closed:
                await _end(spare)
            else:
                self._spares.append(spare)  # somebody else may want it
            raise
        if self._closed:
            await child.stop()
            raise Unavailable(_SHUT)
        self._prepare()
        return child


async def _start(*descriptors: int) -> ChildProcess:
    return await ChildProcess.start(_CHILD, max_frame=_MAX_FRAME, descriptors=descriptors)


async def _end(*spares: asyncio.Task[ChildProcess]) -> None:
    for spare in spares:
        spare.cancel()
    for child in await asyncio.gather(*spares, return_exceptions=True):
        if isinstance(child, ChildProcess):
            await child.stop()


class PyAvDecoding:
    """`ports.decoder.Decoding`: one recording and its child, which is told `header` before the
    first bytes."""

    def __init__(self, child: ChildProcess, header: str = "") -> None:
        self._child = child
        self._header = header.encode()
        self._written = 0
        self._consumed = 0
        self._decoded = 0  # samples
        self._ended = False
        self._deadline: asyncio.Timeout | None = None
        self._failure: KaiwaError | None = None
        self._over = asyncio.Event()

    @property
    def pid(self) -> int:
        """The child's."""
        return self._child.pid

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), _SLICE):
            await self._send(data[start : start + _SLICE])

    async def end(self) -> None:
        await self._send(b"")
        self._ended = True
        self._watch()
        self._child.end_input()

    async def samples(self) -> AsyncIterator[Samples]:
        while True:
            try:
                samples = await self._receive()
            except KaiwaError as failure:
                self._failure = failure
                self._over.set()
                raise
            if samples is None:
                self._over.set()
                return
            yield samples

    async def _send(self, data: bytes) -> None:
        """Raises the reader's verdict when the child has given up; bytes after a clean end of the
        container are nobody's."""
        if not self._over.is_set():
            self._written += len(data)
            self._watch()
            header, self._header = self._header, b""
            try:
                await self._child.send(header + data)
                return
            except ChildFailed:
                await self._wait_for_verdict()
        if self._failure is not None:
            raise type(self._failure)(str(self._failure))

    async def _wait_for_verdict(self) -> None:
        try:
            async with asyncio.timeout(VERDICT_S):
                await self._over.wait()
        except TimeoutError:
            raise BrokenAudio("The sound cannot be decoded any further.") from None

    async def _receive(self) -> Samples | None:
        """The next samples, or None at the end. Raises BrokenAudio, TooMuch."""
        while True:
            try:
                async with asyncio.timeout(None) as self._deadline:
                    self._watch()
                    frame = await self._child.receive()
            except TimeoutError:
                self._child.kill()
                raise self._broken("The sound decoder got stuck at these bytes.") from None
            except ChildFailed:
                raise self._broken("The sound decoder broke down at these bytes.") from None
            finally:
                self._deadline = None
            if frame.kind == SAMPLES:
                samples = np.frombuffer(frame.payload, _SAMPLE)
                self._decoded += len(samples)
                return samples
            if frame.kind == END:
                return None
            if frame.kind == HUNGRY:
                self._consumed = int.from_bytes(frame.payload, "little")
                continue
            reason = frame.payload.decode(errors="replace")
            raise TooMuch(reason) if frame.kind == TOO_MUCH else self._broken(reason)

    def _broken(self, reason: str) -> BrokenAudio:
        if not self._decoded:
            return BrokenAudio(reason)
        readable = timedelta(seconds=round(self._decoded / SAMPLE_RATE))
        return BrokenAudio(f"{reason} It could be read up to {readable}.")

    def _watch(self) -> None:
        """The child must say something soon, if there is input that it has not dealt with.

        Called when input is given and when a wait for output begins: a quiet microphone and a
        slow reader are not the child's fault.
        """
        busy = self._ended or self._written > self._consumed
        if self._deadline is not None and busy and self._deadline.when() is None:
            now = asyncio.get_running_loop().time()
            self._deadline.reschedule(now + STALL_S)
