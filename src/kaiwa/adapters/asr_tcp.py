"""A client for the wire of whisper_streaming's `whisper_online_server.py`.

Out: raw 16 kHz mono s16le. In: lines `beg_ms end_ms text`, confirmed text only, where the text
may begin with a space. The original server reads as much as has arrived once its minimal chunk is
full, confirms what two passes agree on, loses what is unconfirmed when the input ends, and serves
one connection after the other. So a segment has a connection of its own, and its last final sends
silence, piece by piece like a microphone, until the confirmed text reaches the end of the speech.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from kaiwa.domain.audio import Samples, ms_to_samples, samples_to_ms
from kaiwa.domain.speech import Partial, Transcript
from kaiwa.errors import RecogniserDown
from kaiwa.policy.agreement import is_spaced, join

CONNECT_TIMEOUT_S = 5.0
BUFFER_BYTES = 2 * ms_to_samples(60_000)
"""What may wait to be sent: a minute. A server that is further behind is lost."""
LINE_BYTES = 64 * 1024
"""A longer line is not this protocol."""

SILENCE_MS = 1_000
"""One piece of silence: the server's default --min-chunk-size, so each piece makes a pass."""
SILENCE_PIECES = 6
"""Two make the passes that confirm a tail; the others are for a server that was busy with one
pass while several pieces arrived, and so took them as one."""
CONFIRMED_SLACK_MS = 600
"""Confirmed to here before the end of the sound is confirmed to the end: a segment ends with
200 ms of silence, and Whisper's word times are off by 200–300 ms."""
LEAVE_TIMEOUT_S = 1.0
"""For what is still to be sent when a segment is left; a reset connection kills some servers."""
DRAIN_TIMEOUT_S = 10.0
"""No line and no end for so long after we ended our side: the server will say no more."""


@dataclass(frozen=True, slots=True)
class Line:
    """One confirmed piece of text; times in ms from the first sample sent."""

    begin_ms: int
    end_ms: int
    text: str


def parse(line: str) -> Line:
    """Raises ValueError for anything but `beg_ms end_ms text`."""
    begin, end, text = line.rstrip("\r\n").split(" ", 2)
    return Line(int(float(begin)), int(float(end)), text)


class TcpRecogniser:
    """Recognition by a server at `host:port`. `silence_every_s` is the pace of a tail's silence:
    real time, which is what the server's chunks expect."""

    def __init__(self, host: str, port: int, *, silence_every_s: float = SILENCE_MS / 1000) -> None:
        self._host = host
        self._port = port
        self._silence_every_s = silence_every_s

    @asynccontextmanager
    async def segment(self, *, language: str | None, prompt: str = "") -> AsyncIterator[TcpSegment]:
        """See `ports.asr`. Language and prompt are the server's own settings: `language` only
        labels the text. Leaving the block ends the connection."""
        del prompt
        segment = await self._connect(language)
        try:
            yield segment
        finally:
            await segment.leave()

    async def ready(self) -> None:
        """Only knocks: the server loads its model before it listens."""
        await (await self._connect(None)).leave()

    async def close(self) -> None:
        """Nothing is kept between segments."""

    async def _connect(self, language: str | None) -> TcpSegment:
        address = f"{self._host}:{self._port}"
        segment = partial(TcpSegment, address, language or "und", self._silence_every_s)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connected = await loop.create_connection(segment, self._host, self._port)
        except OSError as failure:  # a time-out is one too
            raise RecogniserDown(
                f"no speech recogniser answers at {address};"
                " start whisper_online_server.py or `kaiwa asr-server` there"
            ) from failure
        return connected


class TcpSegment(asyncio.Protocol):
    """Implements `ports.asr.SegmentRecognition` over one connection, whose callbacks it takes.

    Whatever goes wrong on the wire is told by the next call.
    """

    def __init__(self, address: str, language: str, silence_every_s: float) -> None:
        self._address = address
        self._language = language
        self._silence_every_s = silence_every_s
        self._line = bytearray()
        self._fed = 0
        self._text = ""
        self._confirmed_ms = 0
        self._told = ""
        self._failure: str | None = None
        self._over = False  # the server ended its side
        self._ended = False  # we ended ours
        self._finishing = False  # the last final was asked for
        self._news = asyncio.Event()
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - that of create_connection
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, rest = (bytes(self._line) + data).split(b"\n")
        self._line = bytearray(rest)
        try:
            if len(rest) > LINE_BYTES:
                raise ValueError("a line without an end")
            for line in lines:
                self._take(parse(line.decode()))
        except ValueError:  # includes bytes that are no UTF-8
            self._fail("does not speak the protocol of whisper_online_server.py")
        self._news.set()

    def eof_received(self) -> bool:
        self._over = True
        if not self._ended:
            self._fail("ended while somebody was speaking")
        self._news.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and not self._over:
            self._fail(f"was lost: {exc}")
        self._over = True
        self._news.set()
        self._lost.set()

    def feed(self, samples: Samples) -> None:
        """The bound is BUFFER_BYTES; beyond it, the next call raises RecogniserDown."""
        self._fed += len(samples)
        self._send(samples.astype("<i2").tobytes())

    async def partial(self) -> Partial | None:
        self._check()
        if self._text == self._told:
            return None
        self._told = self._text
        return Partial(self._text, (1.0,) * len(self._text))  # the server has confirmed it

    async def final(self, *, last: bool = True) -> Transcript:
        self._check()
        if last and not self._finishing:
            self._finishing = True
            await self._confirm_tail()
            self._end_input()
            await self._drain()
            self._check()
        return Transcript(self._text, self._language)

    async def leave(self) -> None:
        """End the connection."""
        self._ended = True
        self._transport.close()
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._lost.wait()
        except TimeoutError:
            pass
        finally:
            self._transport.abort()  # a server that reads no more would keep it for ever

    def _take(self, line: Line) -> None:
        if line.begin_ms >= samples_to_ms(self._fed):
            return  # invented over the silence that follows the speech
        self._confirmed_ms = max(self._confirmed_ms, line.end_ms)
        self._text = join(self._text, _unspaced(self._text, line.text.rstrip()))

    async def _confirm_tail(self) -> None:
        """Send silence until the text is confirmed to the end of the speech, or long enough."""
        silence = bytes(2 * ms_to_samples(SILENCE_MS))
        target_ms = samples_to_ms(self._fed) - CONFIRMED_SLACK_MS
        for _ in range(SILENCE_PIECES):
            if self._over or self._confirmed_ms >= target_ms:
                return
            self._send(silence)
            await self._wait_for_news(self._silence_every_s)

    async def _drain(self) -> None:
        while not self._over and await self._wait_for_news(DRAIN_TIMEOUT_S):
            pass

    async def _wait_for_news(self, timeout_s: float) -> bool:
        """Whether a line or the end came in time."""
        self._news.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _send(self, data: bytes) -> None:
        if self._failure or self._over:
            return
        if self._transport.get_write_buffer_size() + len(data) > BUFFER_BYTES:
            self._fail("is a minute behind the speech")
            return
        self._transport.write(data)

    def _end_input(self) -> None:
        if not self._over and not self._transport.is_closing():
            self._ended = True
            self._transport.write_eof()

    def _fail(self, what: str) -> None:
        self._failure = self._failure or what

    def _check(self) -> None:
        if self._failure:
            raise RecogniserDown(
                f"the speech recogniser at {self._address} {self._failure};"
                " see its log, then speak again"
            )


def _unspaced(before: str, text: str) -> str:
    """Without the space that Whisper puts before a text's first word and every unspaced piece."""
    bare = text.lstrip()
    return bare if not before or (bare and not is_spaced(bare[0])) else text
