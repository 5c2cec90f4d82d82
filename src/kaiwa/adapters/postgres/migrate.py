"""Bring the database to this version's schema, with Alembic."""

from __future__ import annotations

from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from kaiwa.errors import DatabaseDown, SetupError

_LOCK = 0x6B61697761  # "kaiwa": one process migrates, the others wait


async def migrate(url: str) -> None:
    """Run what has not run yet; safe from several processes at once.

    Raises DatabaseDown when nobody answers, SetupError when the address is none or a migration
    fails.
    """
    try:
        link = await asyncpg.connect(url, timeout=10)
    except asyncpg.InterfaceError as error:
        raise SetupError(f"DATABASE_URL cannot be used: {error}") from error
    except (OSError, asyncpg.PostgresError) as error:
        raise DatabaseDown(f"the database does not answer: {error}") from error

    async def connected() -> asyncpg.Connection:
        return link

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=connected, poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            await connection.run_sync(_upgrade)
    except SQLAlchemyError as error:
        reason = str(error).partition("\n")[0]
        raise SetupError(f"the database could not be migrated: {reason}") from error
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
