"""`kaiwa asr-server`: recognition for others, by whisper_online_server's wire.

Raw 16 kHz mono s16le in; lines `beg end text` out, times in milliseconds from the client's first
sample, for text that will not change any more. Many clients at once. When a client ends its side,
or the server is stopped, what is left is recognised and sent before the connection closes.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Final

import structlog

from kaiwa.domain.audio import Samples, samples_to_ms
from kaiwa.domain.speech import Hypothesis, Transcript
from kaiwa.errors import KaiwaError, SetupError
from kaiwa.pipeline.hearing import Expected, Hearing
from kaiwa.pipeline.ingest import whole_samples
from kaiwa.pipeline.tasks import contained
from kaiwa.policy.agreement import behind, join
from kaiwa.policy.endpointing import SegmentEnded
from kaiwa.ports.asr import Recogniser
from kaiwa.ports.vad import VoiceActivityFactory

READ_BYTES: Final = 16_384  # half a second: a fast sender's sound is not read far ahead
MAX_CLIENTS: Final = 64
SLOW_READER_S: Final = 30.0  # a client that takes no lines for so long is let go
STOPPING_S: Final = 10.0  # for the tails of all clients when the server is stopped

log = structlog.get_logger()


class LineWriter(Hearing):
    """One client: its sound becomes lines on its connection."""

    def __init__(
        self,
        recogniser: Recogniser,
        vad: VoiceActivityFactory,
        writer: asyncio.StreamWriter,
        language: str | None,
    ) -> None:
        super().__init__(recogniser, vad)
        self._writer = writer
        self._language = language
        self._sent = ""  # of the segment that is being recognised
        self._sent_until = 0  # in samples
        self._last = ""  # line, of whatever segment

    async def on_speech(self, *, started: bool) -> None:
        """The wire has no word for it."""

    async def on_segment(self) -> Expected:
        self._sent, self._sent_until = "", 0
        return Expected(self._language)

    async def on_hypothesis(self, start: int, hypothesis: Hypothesis) -> None:
        await self._send(start, self.position, hypothesis.stable[len(self._sent) :])

    async def on_text(
        self, start: int, ended: SegmentEnded, said: Transcript, sound: Samples
    ) -> None:
        await self._send(start, ended.voice_end, behind(self._sent, said.text))

    async def on_nothing(self, ended: SegmentEnded, *, shown: bool) -> None:
        """What was sent cannot be taken back."""

    async def on_settled(self, offset: int) -> None:
        """Silence makes no line."""

    async def _send(self, start: int, end: int, text: str) -> None:
        """A line for `text`, which goes on where the segment's last line ended.

        It begins with a space where its script wants one behind the last line.
        """
        if not text.strip():
            return
        begin = max(start, self._sent_until)
        line = text if self._sent else join(self._last, text)[len(self._last) :]
        self._sent += text
        self._sent_until = end
        self._last = line
        begin_ms, end_ms = samples_to_ms(begin), samples_to_ms(max(begin, end))
        unbroken = line.replace("\n", " ")
        self._writer.write(f"{begin_ms} {end_ms} {unbroken}\n".encode())
        async with asyncio.timeout(SLOW_READER_S):
            await self._writer.drain()


class AsrServer:
    """All clients of one recogniser. `language` None: each segment's is detected."""

    def __init__(
        self, recogniser: Recogniser, vad: VoiceActivityFactory, language: str | None
    ) -> None:
        self._recogniser = recogniser
        self._vad = vad
        self._language = language
        self._clients = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._reads: set[asyncio.Timeout] = set()
        self._stopped = False

    async def start(self, host: str, port: int) -> asyncio.Server:
        """Listen. Raises SetupError where that is not possible."""
        try:
            return await asyncio.start_server(self._connected, host, port)
        except OSError as error:
            raise SetupError(f"cannot listen on {host}:{port}: {error.strerror}") from error

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._clients >= MAX_CLIENTS or self._stopped:
            log.warning("asr_client_refused", clients=self._clients)
            writer.close()
            return
        # One whose machine went away without a word would keep its place for ever.
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._clients += 1
        self._idle.clear()
        try:
            await contained(partial(self._serve, reader, writer), "asr client")
        finally:
            writer.close()
            self._clients -= 1
            if not self._clients:
                self._idle.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = LineWriter(self._recogniser, self._vad, writer, self._language)
        try:
            async with client.working():
                async for samples in whole_samples(self._received(reader)):
                    await client.hear(samples)
                await client.flush()
        except* (OSError, TimeoutError):
            log.info("asr_client_left")
        except* KaiwaError as errors:
            log.warning("asr_client_failed", error=str(errors.exceptions[0]))

    async def stop(self) -> None:
        """Take no more sound, and send what is left to recognise of what came."""
        self._stopped = True
        for read in self._reads:
            read.reschedule(asyncio.get_running_loop().time())
        with suppress(TimeoutError):
            async with asyncio.timeout(STOPPING_S):
                await self._idle.wait()

    async def _received(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """What the client sends until it ends its side."""
        while data := await self._read(reader):
            yield data

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        """Empty at the client's end, and at the server's."""
        if self._stopped:
            return b""
        try:
            async with asyncio.timeout(None) as read:
                self._reads.add(read)
                return await reader.read(READ_BYTES)
        except TimeoutError:
            return b""
        finally:
            self._reads.discard(read)


async def serve(
    recogniser: Recogniser, vad: VoiceActivityFactory, language: str | None, host: str, port: int
) -> None:
    """Run until SIGTERM or SIGINT. Raises RecogniserDown, SetupError."""
    await recogniser.ready()
    clients = AsrServer(recogniser, vad, language)
    server = await clients.start(host, port)
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    log.info("asr_server_listening", host=host, port=port)
    await stopping.wait()
    server.close()
    await clients.stop()
    await recogniser.close()
