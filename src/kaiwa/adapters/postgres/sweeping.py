"""Forgetting in time: what a talk keeps no longer, old clips, sessions that are over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import structlog

from kaiwa.adapters.postgres.database import Database, queries
from kaiwa.errors import DatabaseDown
from kaiwa.pipeline.tasks import now_and_then

SWEEP_S: Final = 3600.0
CLIP_DAYS: Final = 30
_LOCK: Final = 0x6B61697762  # one process sweeps at a time

log = structlog.get_logger()


@asynccontextmanager
async def sweeping(database: Database) -> AsyncIterator[None]:
    """Sweep now and then for the length of the block."""
    async with now_and_then(SWEEP_S, partial(_try, database), "sweep"):
        yield


async def sweep(database: Database) -> bool:
    """Forget what is too old; False where another process is at it. Raises DatabaseDown."""
    async with database.transaction() as connection:
        if not await queries.may_sweep(connection, key=_LOCK):
            return False
        fading = [row["id"] async for row in queries.sweep_talks(connection)]
        for talk in fading:
            await queries.keep_summaries(connection, talk=talk, digests=[])
        await queries.sweep_events(connection)
        await queries.sweep_changes(connection)
        await queries.sweep_lines(connection)
        await queries.sweep_talk_clips(connection)
        await queries.sweep_recordings(connection)
        await queries.drop_old_sound(connection, days=CLIP_DAYS)
        await queries.drop_old_sessions(connection)
    return True


async def _try(database: Database) -> None:
    try:
        await sweep(database)
    except DatabaseDown:
        log.warning("sweep_missed")
