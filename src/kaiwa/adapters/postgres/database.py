"""The pool, the named queries, and one place that translates what asyncpg raises."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiosql
import asyncpg

from kaiwa.domain.ids import TalkId
from kaiwa.errors import BadRequest, DatabaseDown
from kaiwa.ports.wakeup import Bus

POOL_SIZE = 10
CONNECT_TIMEOUT_S = 15.0  # a machine that is all recognition and replies takes its time
COMMAND_TIMEOUT_S = 15.0  # nothing kaiwa asks takes longer, unless the database is gone
HOLD_S = 5.0
"""How long a process may keep a transaction open and do nothing; one that is frozen or out of reach
would else hold its talk's lock for ever."""
LOST: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What a connection that is only there to be there may raise."""
_DOWN: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # told to end, and not closed yet
    asyncpg.OperatorInterventionError,  # shut down, starting, a query that was cancelled
    asyncpg.InsufficientResourcesError,  # connections, memory, disk
    asyncpg.TransactionRollbackError,
    asyncpg.PostgresSystemError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)

queries: Any = aiosql.from_path(Path(__file__).with_name("queries"), "asyncpg")
"""Named blocks of SQL, by topic in files; their parameters are always bound."""

Connection = Any
"""An asyncpg connection (its stubs do not know the pool's proxy)."""


class _Connection(asyncpg.Connection):
    """Remembers whom its transaction is to wake."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.hints: list[tuple[TalkId, str]] = []


def channel(talk: TalkId) -> str:
    """The name talks are LISTENed to by."""
    return f"talks_{talk}"


def wake(connection: Connection, talk: TalkId, payload: str) -> None:
    """Wake the talk's readers once this transaction is committed."""
    connection.hints.append((talk, payload))


async def _notify(connection: Connection, talk: TalkId, payload: str) -> None:
    await queries.notify(connection, channel=channel(talk), payload=payload)


async def _set_up(connection: Connection) -> None:
    await connection.set_type_codec(
        "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
    )


class Database:
    """A pool of connections to one PostgreSQL; `bus` wakes readers where NOTIFY does not."""

    def __init__(self, pool: Any, url: str, bus: Bus | None) -> None:
        self._pool = pool
        self.url = url
        self.bus = bus

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, bus: Bus | None = None) -> AsyncIterator[Database]:
        """Raises DatabaseDown when nobody answers there."""
        with _translated():
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=POOL_SIZE,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                init=_set_up,
                connection_class=_Connection,
                server_settings={"idle_in_transaction_session_timeout": f"{HOLD_S * 1000:.0f}"},
            )
        try:
            yield cls(pool, url, bus)
        finally:
            pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection, outside a transaction."""
        with _translated():
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One connection, in a transaction that ends with the block; then readers are woken."""
        with _translated():
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                connection.hints.clear()  # of one that was rolled back
                async with connection.transaction():
                    yield connection
                    hints = tuple(connection.hints)
                    if self.bus is None:
                        for talk, payload in hints:
                            await _notify(connection, talk, payload)
        if self.bus is not None:
            for talk, payload in hints:
                await self.bus.send(talk, payload)

    async def tell(self, talk: TalkId, payload: str) -> None:
        """Wake the talk's readers with something that is not stored."""
        if self.bus is not None:
            await self.bus.send(talk, payload)
            return
        async with self.connection() as connection:
            await _notify(connection, talk, payload)

    async def answers(self) -> None:
        """Return when the database answers. Raises DatabaseDown."""
        async with self.connection() as connection:
            await connection.fetchval("SELECT 1")


class _translated:
    """Turns a lost database into DatabaseDown, and a value that no column holds, such as a NUL
    character or a number beyond bigint, into BadRequest."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, asyncpg.DataError):
            raise BadRequest("a character or a number in this cannot be stored") from error
        if isinstance(error, _DOWN):
            reason = type(error).__name__
            raise DatabaseDown(f"the database does not answer ({reason})") from error
