"""One LISTEN connection per process, for all its talks; it reconnects and proves it is alive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import asyncpg
import structlog

from kaiwa.adapters.postgres.database import CONNECT_TIMEOUT_S, LOST, channel
from kaiwa.domain.ids import TalkId
from kaiwa.errors import DatabaseDown

PROOF_INTERVAL_S = 10.0  # a connection that died silently is noticed by then
PROOF_TIMEOUT_S = 5.0
RETRY_DELAYS_S = (0.1, 0.2, 0.5, 1.0, 2.0)

log = structlog.get_logger()


class PostgresWakeups:
    """`ports.wakeup.Wakeups`; open it with `run`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._readers: dict[TalkId, set[Callable[[str], None]]] = {}
        self._connection: Any = None
        self._lock = asyncio.Lock()  # a connection does one thing at a time
        self._lost = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def run(cls, url: str) -> AsyncIterator[Self]:
        """Connect, and keep the connection for the length of the block. Raises DatabaseDown."""
        wakeups = cls(url)
        try:
            await wakeups._connect()
        except LOST as error:
            raise DatabaseDown(f"the database does not answer: {error}") from error
        async with asyncio.TaskGroup() as tasks:
            keeper = tasks.create_task(wakeups._keep())
            try:
                yield wakeups
            finally:
                keeper.cancel()
                if wakeups._connection is not None:
                    wakeups._connection.terminate()

    async def listen(self, talk: TalkId, on_payload: Callable[[str], None]) -> None:
        async with self._lock:
            readers = self._readers.setdefault(talk, set())
            readers.add(on_payload)
            if len(readers) > 1:
                return
            try:
                await self._try(lambda c: c.add_listener(channel(talk), self._dispatch))
            except BaseException:
                del self._readers[talk]  # nobody will unlisten
                raise

    async def unlisten(self, talk: TalkId, on_payload: Callable[[str], None]) -> None:
        self._readers.get(talk, set()).discard(on_payload)  # at once: what follows may be cancelled
        async with self._lock:
            if self._readers.get(talk) == set():
                del self._readers[talk]
                await self._try(lambda c: c.remove_listener(channel(talk), self._dispatch))

    def _dispatch(self, connection: object, pid: int, name: str, payload: object) -> None:
        talk = TalkId(name.removeprefix("talks_"))
        for on_payload in tuple(self._readers.get(talk, ())):
            on_payload(str(payload))

    async def _try(self, action: Callable[[Any], Awaitable[object]]) -> None:
        """Act now, or leave it to the reconnect, which listens to all talks and wakes them."""
        if self._connection is None or self._lost.is_set():
            return
        try:
            await action(self._connection)
        except LOST:
            self._lost.set()

    async def _keep(self) -> None:
        while True:
            try:
                async with asyncio.timeout(PROOF_INTERVAL_S):
                    await self._lost.wait()
            except TimeoutError:
                async with self._lock:
                    await self._try(lambda c: c.execute("SELECT 1"))
            if self._lost.is_set():
                await self._reconnect()

    async def _reconnect(self) -> None:
        log.warning("listen_connection_lost")
        attempt = 0
        async with self._lock:
            if self._connection is not None:
                self._connection.terminate()
                self._connection = None
        while True:
            await asyncio.sleep(RETRY_DELAYS_S[min(attempt, len(RETRY_DELAYS_S) - 1)])
            attempt += 1
            async with self._lock:
                try:
                    await self._connect()
                except LOST:
                    continue
                self._lost.clear()
                log.info("listen_connection_back", attempts=attempt)
                for readers in self._readers.values():
                    for on_payload in tuple(readers):
                        on_payload("")
                return

    async def _connect(self) -> None:
        connection = await asyncpg.connect(
            self._url, timeout=CONNECT_TIMEOUT_S, command_timeout=PROOF_TIMEOUT_S
        )
        try:
            for talk in self._readers:
                await connection.add_listener(channel(talk), self._dispatch)
        except BaseException:
            connection.terminate()
            raise
        connection.add_termination_listener(lambda _: self._lost.set())
        self._connection = connection
