"""The pool, the named queries, and one place that translates what asyncpg raises."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiosql
import asyncpg

from kaiwa.errors import BadRequest, DatabaseDown

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

queries: Any = aiosql.from_path(Path(__file__).with_name("queries.sql"), "asyncpg")

Connection = Any
"""An asyncpg connection (its stubs do not know the pool's proxy)."""


async def _set_up(connection: Connection) -> None:
    await connection.set_type_codec(
        "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
    )


class Database:
    """A pool of connections to one PostgreSQL."""

    def __init__(self, pool: Any, url: str) -> None:
        self._pool = pool
        self.url = url

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Database]:
        """Raises DatabaseDown when nobody answers there."""
        with _translated():
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=POOL_SIZE,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                init=_set_up,
                server_settings={"idle_in_transaction_session_timeout": f"{HOLD_S * 1000:.0f}"},
            )
        try:
            yield cls(pool, url)
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
        """One connection, in a transaction that ends with the block."""
        with _translated():
            async with (
                self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection,
                connection.transaction(),
            ):
                yield connection

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
