"""Bring the database to this version's schema, with Alembic."""

from __future__ import annotations

from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from kaiwa.adapters.postgres.database import LOST
from kaiwa.errors import DatabaseDown, SetupError

_LOCK = 0x6B61697761  # "kaiwa": one process migrates, the others wait


CHECK_S = 15.0
_MIGRATION_S = 3_600.0  # a large database takes its time, one that is gone must not take for ever
_CONNECT_S = 10.0


async def migrate(url: str) -> None:
    """Run what has not run yet; safe from several processes at once.

    Raises DatabaseDown when nobody answers, SetupError when the address is none, a migration
    fails, or the schema is a newer version's.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    if await _version(url) == ScriptDirectory.from_config(config).get_current_head():
        return
    link = await connect(url, _MIGRATION_S)

    async def connected() -> asyncpg.Connection:
        return link

    def upgrade(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=connected, poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            await connection.run_sync(upgrade)
    except CommandError as error:
        raise SetupError("the database was migrated by a newer kaiwa; use that one") from error
    except SQLAlchemyError as error:
        reason = str(error).partition("\n")[0]
        raise SetupError(f"the database could not be migrated: {reason}") from error
    finally:
        await engine.dispose()


async def _version(url: str) -> str | None:
    """Of the schema that is there; None before the first."""
    link = await connect(url, CHECK_S)
    try:
        version: str | None = await link.fetchval("SELECT version_num FROM alembic_version")
        return version
    except asyncpg.UndefinedTableError:
        return None
    except LOST as error:
        raise DatabaseDown(f"the database does not answer: {error}") from error
    finally:
        link.terminate()


async def connect(url: str, command_timeout_s: float) -> asyncpg.Connection:
    """One connection. Raises DatabaseDown, SetupError."""
    try:
        return await asyncpg.connect(url, timeout=_CONNECT_S, command_timeout=command_timeout_s)
    except asyncpg.ClientConfigurationError as error:
        raise SetupError(f"DATABASE_URL cannot be used: {error}") from error
    except LOST as error:
        raise DatabaseDown(f"the database does not answer: {error}") from error
