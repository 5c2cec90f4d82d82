"""A server with the wire and the habits of whisper_streaming's whisper_online_server.py.

It reads what has arrived once its minimal chunk is full, confirms words that two passes in a row
agree on, loses the unconfirmed tail at the end of the input, and serves one client at a time.
What is said is `adapters.memory.asr.script`, by voiced length.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from kaiwa.adapters.memory.asr import SCRIPTS, WORD_SAMPLES, voiced_frames
from kaiwa.domain.audio import FRAME_SAMPLES, Samples, samples_to_ms

MIN_CHUNK_BYTES = 2 * 16_000  # its default: one second
PACKET_BYTES = 2 * 16_000 * 60 * 5


class WhisperOnlineServer:
    """`break_lines` sends every byte of an answer on its own."""

    def __init__(self, language: str, *, break_lines: bool = False) -> None:
        self.language = language
        self.break_lines = break_lines
        self.port = 0
        self.clients = 0
        self.lost: list[str] = []  # unconfirmed words at the end of each connection
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[WhisperOnlineServer]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=PACKET_BYTES)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._one_at_a_time:
            self.clients += 1
            try:
                await self._listen(reader, writer)
            except ConnectionError:
                pass  # the original logs it and takes the next client
            finally:
                writer.close()

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = bytearray()
        before: list[tuple[int, int, str]] = []
        confirmed = 0
        while chunk := await _chunk(reader):
            heard += chunk
            now = words(np.frombuffer(bytes(heard), "<i2"), self.language)
            agreed = sum(1 for a, b in zip(before, now, strict=False) if a[2] == b[2])
            if agreed > confirmed:
                new = now[confirmed:agreed]
                text = "".join(word for _, _, word in new)
                await self._say(writer, f"{new[0][0]:1.0f} {new[-1][1]:1.0f} {text}\n".encode())
                confirmed = agreed
            before = now
        self.lost += [word for _, _, word in before[confirmed:]]

    async def _say(self, writer: asyncio.StreamWriter, line: bytes) -> None:
        for piece in [line[n : n + 1] for n in range(len(line))] if self.break_lines else [line]:
            writer.write(piece)
            await writer.drain()
            if self.break_lines:
                await asyncio.sleep(0)


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    chunk = b""
    while len(chunk) < MIN_CHUNK_BYTES:
        data = await reader.read(PACKET_BYTES)
        if not data:
            break
        chunk += data
    return chunk


def words(samples: Samples, language: str) -> list[tuple[int, int, str]]:
    """(beg_ms, end_ms, text) of each word, whole or begun."""
    voiced, begin = 0, 0
    found: list[tuple[int, int, str]] = []
    script = SCRIPTS.get(language, SCRIPTS["en"])
    for at in range(0, len(samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        if not voiced_frames(samples[at : at + FRAME_SAMPLES]):
            continue
        if voiced % WORD_SAMPLES == 0:
            begin = at
            found.append((0, 0, ""))
        voiced += FRAME_SAMPLES
        end = samples_to_ms(at + FRAME_SAMPLES)
        text = script[(len(found) - 1) % len(script)]
        found[-1] = (samples_to_ms(begin), end, f" {text}" if len(found) == 1 else text)
    return found
