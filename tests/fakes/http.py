"""A small HTTP/1.1 server on loopback: one request a connection, chunked answers, and it notices
when a client hangs up. What the fake model servers are made of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from kaiwa.adapters.memory.llm import Step


@dataclass(frozen=True, slots=True)
class BreakOff:
    """The server closes the connection in the middle of its answer."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes that go out as they are."""

    data: bytes


ServerStep = Step | BreakOff | Raw


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    json: Any


class Exchange:
    """One request, and the ways to answer it."""

    def __init__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._writer = writer

    async def answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        head = f"HTTP/1.1 {status} Fake\r\nContent-Type: application/json\r\n"
        await self._send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def answer_bytes(self, content_type: str, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n"
        await self._send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def begin(self, content_type: str) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n"
        await self._send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())

    async def chunk(self, data: bytes) -> None:
        """Send in two parts, so that readers cannot take a chunk for a line or a character."""
        middle = len(data) // 2
        for part in (data[:middle], data[middle:]):
            if part:
                await self._send(b"%x\r\n%b\r\n" % (len(part), part))

    async def end(self) -> None:
        await self._send(b"0\r\n\r\n")

    def break_off(self) -> None:
        self._writer.transport.abort()

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()


@dataclass
class FakeModelServer:
    """The n-th chat plays the n-th of `replies`; the last one is played again and again."""

    replies: list[list[ServerStep]] = field(default_factory=list)
    names: list[str] = field(default_factory=lambda: ["small", "large"])
    requests: list[Request] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client closed its connection before its answer was over."""
    url: str = ""
    _chats: int = 0

    @classmethod
    @asynccontextmanager
    async def run(cls, port: int = 0) -> AsyncIterator[Self]:
        fake = cls()
        connections: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            connections.add(task)
            try:
                await fake._serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                fake.hung_up.set()
            finally:
                connections.discard(task)
                writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", port)
        host, port = server.sockets[0].getsockname()
        fake.url = f"http://{host}:{port}"
        try:
            yield fake
        finally:
            server.close()
            for task in list(connections):
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)

    async def handle(self, exchange: Exchange) -> None:
        raise NotImplementedError

    def next_reply(self) -> list[ServerStep]:
        self._chats += 1
        return self.replies[min(self._chats, len(self.replies)) - 1]

    @property
    def chats(self) -> list[Request]:
        return [request for request in self.requests if "messages" in (request.json or {})]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _read(reader)
        self.requests.append(request)
        answering = asyncio.ensure_future(self.handle(Exchange(request, writer)))
        listening = asyncio.ensure_future(reader.read())  # ends when the client hangs up
        try:
            await asyncio.wait({answering, listening}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                self.hung_up.set()
        finally:
            for task in (answering, listening):
                task.cancel()
            results = await asyncio.gather(answering, listening, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *rest = head.strip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {}
    for line in rest:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, json.loads(body) if body else None)
