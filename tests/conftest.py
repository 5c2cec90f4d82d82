"""What tests share: one PostgreSQL for the whole run, a database of its own for each test."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from kaiwa.adapters.postgres import embedded
from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.migrate import migrate

TODAY: Final = "today"
"""A database with the schema, which nobody changes: the others are copies of it."""
NO_CRASH: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For a server that is thrown away with its data; those that tests kill do without."""

# The same examples each time, however slow the machine: a verdict is about the code alone.
# `pytest --hypothesis-profile=default` looks for new ones.
settings.register_profile(
    "kaiwa", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("kaiwa")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL that ends with the test run."""
    with (
        tempfile.TemporaryDirectory(prefix="kaiwa-test-") as folder,
        pytest.MonkeyPatch.context() as patch,
        asyncio.Runner() as runner,
    ):
        patch.setattr(embedded, "_SETTINGS", embedded._SETTINGS | NO_CRASH)
        stack = AsyncExitStack()
        server = runner.run(stack.enter_async_context(embedded.embedded_postgres(Path(folder))))
        patch.undo()
        try:
            runner.run(_make(server.url, TODAY))
            runner.run(migrate(_database(server.url, TODAY)))
            yield server.url
        finally:
            runner.run(stack.aclose())


def _database(postgres: str, name: str) -> str:
    return postgres.replace("/postgres?", f"/{name}?")


async def _make(postgres: str, name: str, like: str = "template1") -> None:
    connection = await asyncpg.connect(postgres)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
    await connection.close()


@pytest.fixture
async def database_url(postgres: str) -> AsyncIterator[str]:
    """An empty database with today's schema."""
    name = f"test_{secrets.token_hex(6)}"
    await _make(postgres, name, TODAY)
    yield _database(postgres, name)
    connection = await asyncpg.connect(postgres)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url) as database:
        yield database
