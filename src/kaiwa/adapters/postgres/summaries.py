"""Summaries in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from kaiwa.adapters.postgres.database import Database, queries
from kaiwa.domain.ids import TalkId


class PostgresSummaries:
    """`ports.summaries.Summaries`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, talk: TalkId) -> Mapping[str, str]:
        async with self._database.connection() as connection:
            rows = queries.summaries_of(connection, talk=talk)
            return {row["digest"]: row["text"] async for row in rows}

    async def put(
        self, talk: TalkId, digest: str, text: str, *, erasures: int, wanted: Collection[str]
    ) -> None:
        async with self._database.transaction() as connection:
            await queries.lock_talk(connection, talk=talk)
            if await queries.erasures(connection, talk=talk) == erasures:
                kept = [*wanted, digest]
                await queries.put_summary(connection, talk=talk, digest=digest, text=text)
                await queries.keep_summaries(connection, talk=talk, digests=kept)
