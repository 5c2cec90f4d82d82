"""A whole site: one PostgreSQL, several app processes behind a load balancer, a chat model; each of
them a process that can be killed, and between them networks that can fail."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg
import httpx

from kaiwa.adapters.postgres.embedded import EmbeddedPostgres, embedded_postgres
from tests.faults.proxy import Pipe, Proxy
from tests.ports import free_port

APPS: Final = 2
START_S: Final = 180.0  # a machine that others use too takes its time
STOP_S: Final = 30.0
RESTART_S: Final = 0.5  # as a supervisor would
DISK_MB: Final = 200


class Hung(AssertionError):
    """Something did not end within its bound."""


@dataclass(eq=False)
class Child:
    """A process that is started again whenever it ends."""

    arguments: Sequence[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    ending: bool = False

    async def keep(self) -> None:
        while not self.ending:
            with self.log.open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    *self.arguments,
                    stdout=log,
                    stderr=log,
                    env=os.environ | self.environment,
                )
            try:
                await self.process.wait()
            except asyncio.CancelledError:
                with suppress(ProcessLookupError):
                    self.process.kill()
                raise
            await asyncio.sleep(RESTART_S)

    def send(self, which: signal.Signals) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(which)

    async def stop(self) -> None:
        """A clean end, for good. Raises Hung."""
        self.ending = True
        self.send(signal.SIGTERM)
        assert self.process is not None
        try:
            async with asyncio.timeout(STOP_S):
                status = await self.process.wait()
        except TimeoutError:
            raise Hung(f"SIGTERM did not end {self.arguments[0]}; see {self.log}") from None
        assert status == 0, f"{self.arguments[0]} ended with {status}; see {self.log}"


@dataclass(eq=False)
class Site:
    """The parts, and the ways to hurt them."""

    url: str
    server: EmbeddedPostgres
    apps: list[Child]
    model: Child
    front: Proxy
    """Between people and the app processes."""
    wire: Proxy
    """Between the app processes and the database."""
    disk: Path | None
    """A small file system that holds the database alone, where one may be mounted."""

    async def database(self) -> asyncpg.Connection:
        """A connection of our own, past all faults but those of the server itself."""
        async with asyncio.timeout(START_S):
            while True:
                try:
                    return await asyncpg.connect(self.server.url, timeout=5)
                except (OSError, TimeoutError, asyncpg.PostgresError):
                    await asyncio.sleep(0.2)

    @property
    def filler(self) -> Path:
        assert self.disk is not None
        return self.disk / "filler"

    async def until_ready(self) -> None:
        async with httpx.AsyncClient() as http:
            for app in self.apps:
                while True:
                    if await _answers(http, app):
                        break
                    await asyncio.sleep(0.1)


async def _answers(http: httpx.AsyncClient, app: Child) -> bool:
    try:
        answer = await http.get(f"http://127.0.0.1:{app.environment['KAIWA_PORT']}/readyz")
    except httpx.HTTPError:
        return False
    return answer.status_code == 200


@asynccontextmanager
async def running(folder: Path, rng: random.Random) -> AsyncIterator[Site]:
    """Start everything in a folder, end everything."""
    async with AsyncExitStack() as stack:
        data = folder / "data"
        data.mkdir()
        disk = stack.enter_context(_mounted(data)) if _may_mount(data) else None
        server = await stack.enter_async_context(embedded_postgres(data))
        to_database = folder / "wire"
        to_database.mkdir()
        there = str(server.socket_folder / ".s.PGSQL.5432")
        wire = await stack.enter_async_context(
            Proxy.run(lambda: asyncio.open_unix_connection(there), to_database / ".s.PGSQL.5432")
        )
        front_port, model_port, *ports = (free_port() for _ in range(2 + APPS))

        async def any_app() -> Pipe:
            for port in rng.sample(ports, len(ports)):
                with suppress(OSError):
                    return await asyncio.open_connection("127.0.0.1", port)
            raise ConnectionRefusedError

        front = await stack.enter_async_context(Proxy.run(any_app, front_port))
        url = f"http://127.0.0.1:{front_port}"
        model = Child(["tests.faults.model", str(model_port)], folder / "model.log")
        apps = [
            Child(
                ["tests.faults.app"],
                folder / f"app-{port}.log",
                {
                    "DATABASE_URL": f"postgresql://postgres@/postgres?host={quote(str(to_database))}",
                    "KAIWA_DATA": str(folder / f"app-{port}"),
                    "KAIWA_PORT": str(port),
                    "KAIWA_BEHIND_PROXY": url,
                    "KAIWA_LLM_URL": f"http://127.0.0.1:{model_port}",
                },
            )
            for port in ports
        ]
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        keepers = [tasks.create_task(child.keep()) for child in (model, *apps)]
        site = Site(url, server, apps, model, front, wire, disk)
        try:
            async with asyncio.timeout(START_S):
                await site.until_ready()
            yield site
        finally:
            for keeper in keepers:
                keeper.cancel()


def _may_mount(folder: Path) -> bool:
    """Whether this user may mount file systems; tried, not guessed."""
    if subprocess.run(_mount(folder), capture_output=True, check=False).returncode != 0:
        return False
    subprocess.run(["umount", str(folder)], check=True)
    return True


@contextmanager
def _mounted(folder: Path) -> Iterator[Path]:
    subprocess.run(_mount(folder), check=True)
    try:
        yield folder
    finally:
        with suppress(OSError):
            shutil.copy(folder / "postgres" / "server.log", folder.parent / "postgres.log")
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(folder: Path) -> list[str]:
    return ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
