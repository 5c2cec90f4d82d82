"""A network between browser and server, in a thread of its own: Playwright keeps the test's."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any, Self
from urllib.parse import urlsplit

from tests.browser.server import KaiwaServer
from tests.faults.proxy import Pipe, Proxy, flowing
from tests.ports import free_port


class Network:
    """`url` is where the server is, through it."""

    def __init__(self, server: KaiwaServer) -> None:
        self._to = urlsplit(server.url).port
        self._port = free_port()
        self._up = True
        self._ready = Event()
        self.url = f"http://127.0.0.1:{self._port}"

    @classmethod
    @contextmanager
    def run(cls, server: KaiwaServer) -> Iterator[Self]:
        network = cls(server)
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(asyncio.run, network._run())
            assert network._ready.wait(20)
            try:
                yield network
            finally:
                network._loop.call_soon_threadsafe(network._over.set)
                running.result(20)

    def cut(self) -> None:
        """Every connection breaks, and no other one is made."""
        self._up = False
        self._do(self._break_off())

    def stall(self) -> None:
        """Nothing gets through, and no connection is closed."""
        self._do(self._hold())

    def heal(self) -> None:
        """What was held back gets through, too."""
        self._up = True
        self._do(self._let_go())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._gate = flowing()
        async with Proxy.run(self._connect, self._port) as self._proxy:
            self._ready.set()
            await self._over.wait()

    async def _connect(self) -> Pipe:
        if not self._up:
            raise ConnectionRefusedError
        return await asyncio.open_connection("127.0.0.1", self._to)

    async def _break_off(self) -> None:
        self._proxy.break_off()

    async def _hold(self) -> None:
        self._gate = self._proxy.hold()

    async def _let_go(self) -> None:
        self._gate.set()

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(20)
