"""What tests share: one PostgreSQL for the whole run, a database of its own for each test."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.embedded import embedded_postgres
from kaiwa.adapters.postgres.migrate import migrate


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL that ends with the test run."""
    with tempfile.TemporaryDirectory(prefix="kaiwa-test-") as folder, asyncio.Runner() as runner:
        stack = AsyncExitStack()
        server = runner.run(stack.enter_async_context(embedded_postgres(Path(folder))))
        try:
            yield server.url
        finally:
            runner.run(stack.aclose())


@pytest.fixture
async def database_url(postgres: str) -> AsyncIterator[str]:
    """An empty database with today's schema."""
    name = f"test_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(postgres)
    await connection.execute(f"CREATE DATABASE {name}")
    url = postgres.replace("/postgres?", f"/{name}?")
    await migrate(url)
    yield url
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url) as database:
        yield database
