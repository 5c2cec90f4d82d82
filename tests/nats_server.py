"""A real nats-server for tests, which can be killed and come back."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.ports import free_port

PROGRAM = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
WAIT_S = 60.0


class NatsServer:
    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"nats://127.0.0.1:{port}"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        assert PROGRAM is not None
        self._process = await asyncio.create_subprocess_exec(
            PROGRAM, "-a", "127.0.0.1", "-p", str(self.port), stderr=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                return

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None


@asynccontextmanager
async def nats_server(*, started: bool = True) -> AsyncIterator[NatsServer]:
    if PROGRAM is None:
        pytest.skip("no nats-server here: scripts/nats.sh installs it")
    server = NatsServer(free_port())
    try:
        if started:
            await server.start()
        yield server
    finally:
        await server.kill()
