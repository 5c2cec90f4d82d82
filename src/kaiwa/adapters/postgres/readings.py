"""How lines are read, beside their text, so that きょうと finds 京都: made behind everything else.

A line comes without its reading, and loses it with its text; what has none yet is the list of what
is to do, in all processes and after any restart.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import structlog

from kaiwa.adapters.child_process import ChildFailed
from kaiwa.adapters.japanese_reading import reader
from kaiwa.adapters.postgres.database import Database, queries
from kaiwa.errors import DatabaseDown
from kaiwa.pipeline.tasks import now_and_then

EVERY_S: Final = 120.0  # Sudachi's dictionary takes most of a second to load
BATCH: Final = 200
LONGEST: Final = 20_000
"""Characters of a line that are read; what is imported may be as long as a book."""
LOCK: Final = 0x6B61697773  # one process reads at a time

log = structlog.get_logger()


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[None]:
    """Read what comes, for the length of the block."""
    async with now_and_then(EVERY_S, partial(_try, database), "reading"):
        yield


async def read_lines(database: Database) -> int:
    """Read all that is unread, the newest first; how many lines. Raises DatabaseDown,
    ChildFailed."""
    done = 0
    async with database.connection() as connection:
        if not await queries.any_unread(connection):
            return 0
        if not await queries.may_read(connection, key=LOCK):  # until the connection is given back
            return 0
        async with reader() as read:
            while True:
                unread = queries.unread(connection, longest=LONGEST, at_most=BATCH)
                rows = [row async for row in unread]
                texts = [row["text"] for row in rows]
                put: int = await queries.put_readings(
                    connection,
                    talks=[row["talk_id"] for row in rows],
                    ids=[row["id"] for row in rows],
                    texts=texts,
                    readings=await read(texts),
                    longest=LONGEST,
                )
                done += put
                if put < BATCH:  # there is no more, or somebody is changing a line: the next time
                    break
    return done


async def _try(database: Database) -> None:
    try:
        await read_lines(database)
    except (DatabaseDown, ChildFailed) as error:
        log.warning("reading_missed", reason=str(error))
