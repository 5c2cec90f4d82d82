"""A network between two parties that can stall without closing, lose connections, and break."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def flowing() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


@dataclass(eq=False)
class _Link:
    gate: asyncio.Event
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def abort(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


class Proxy:
    """Forwards every connection to what `connect` opens."""

    def __init__(self, connect: Callable[[], Awaitable[Pipe]]) -> None:
        self._connect = connect
        self._links: set[_Link] = set()
        self._gate = flowing()

    @classmethod
    @asynccontextmanager
    async def run(
        cls, connect: Callable[[], Awaitable[Pipe]], at: int | Path
    ) -> AsyncIterator[Self]:
        """Listen on a port of loopback, or on a Unix socket."""
        proxy = cls(connect)
        async with asyncio.TaskGroup() as tasks:
            forwarding: set[asyncio.Task[None]] = set()

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = tasks.create_task(proxy._forward(reader, writer))
                forwarding.add(task)
                task.add_done_callback(forwarding.discard)

            if isinstance(at, Path):
                server = await asyncio.start_unix_server(accept, at)
            else:
                server = await asyncio.start_server(accept, "127.0.0.1", at)
            try:
                yield proxy
            finally:
                server.close()
                for task in forwarding:
                    task.cancel()

    def hold(self) -> asyncio.Event:
        """Nothing gets through until what this returns is set, and no connection is closed."""
        gate = self._gate = asyncio.Event()
        for link in self._links:
            if link.gate.is_set():
                link.gate = gate
        return gate

    async def stall(self, seconds: float, *, lose: bool) -> None:
        """Hold for a while; `lose`: what was connected never gets anything through again."""
        gate = self.hold()
        await asyncio.sleep(seconds)
        if lose:
            self._gate = flowing()
        else:
            gate.set()

    def break_off(self) -> None:
        """Close every connection."""
        for link in tuple(self._links):
            link.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self._gate, [writer])
        self._links.add(link)
        try:
            there, to_there = await self._connect()
            link.writers.append(to_there)
            async with asyncio.TaskGroup() as tasks:
                ways = {
                    tasks.create_task(self._pump(link, reader, to_there)),
                    tasks.create_task(self._pump(link, there, writer)),
                }
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
        except OSError:
            pass
        finally:
            self._links.discard(link)
            with contextlib.suppress(OSError):
                link.abort() if not link.gate.is_set() else _close(link)

    async def _pump(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while True:
                data = await reader.read(65_536)
                await link.gate.wait()  # the end of a connection does not get through either
                if not data:
                    return
                writer.write(data)
                await writer.drain()


def _close(link: _Link) -> None:
    for writer in link.writers:
        writer.close()
