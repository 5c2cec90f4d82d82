"""What the contracts of several rooms stand on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from kaiwa.adapters.memory.event_log import MemoryEventLog
from kaiwa.adapters.postgres.accounts import PostgresAccounts
from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.event_log import PostgresEventLog
from kaiwa.adapters.postgres.recordings import PostgresRecordings
from kaiwa.adapters.postgres.talks import PostgresTalks
from kaiwa.adapters.postgres.wakeups import PostgresWakeups
from kaiwa.adapters.pyav_decoder import PyAvDecoder
from kaiwa.domain.ids import TalkId, UserId
from kaiwa.domain.talk import TalkSettings
from tests.contract.logs import Kept


@pytest.fixture
async def decoder() -> AsyncIterator[PyAvDecoder]:
    made = PyAvDecoder()
    yield made
    await made.close()


@pytest.fixture
def in_memory() -> Kept:
    log = MemoryEventLog()
    ids = TalkId("talk"), TalkId("other"), UserId("mari"), UserId("ken")
    log.add_talk(ids[0])
    log.add_talk(ids[1])

    async def forget() -> None:
        log.orphan_replies()
        log.lose_floors()

    async def record(on: bool) -> None:
        log.recording[ids[0]] = on

    return Kept(log, log, *ids, log, record, forget)


@pytest.fixture
async def in_postgres(database: Database) -> AsyncIterator[Kept]:
    async def age() -> None:
        async with database.connection() as connection:
            await connection.execute("UPDATE replies SET renewed_at = now() - interval '1 minute'")
            await connection.execute("UPDATE floors SET renewed_at = now() - interval '1 minute'")

    accounts, talks = PostgresAccounts(database), PostgresTalks(database)
    mari, ken = await accounts.register("まり", None), await accounts.register("Ken", None)
    one = await talks.create(mari, TalkSettings(), None)
    two = await talks.create(ken, TalkSettings(), None)

    async def record(on: bool) -> None:
        await talks.update(one.id, mari.id, {"recording": on})

    recordings = PostgresRecordings(database)
    async with PostgresWakeups.run(database.url) as wakeups:
        log = PostgresEventLog(database)
        ids = one.id, two.id, mari.id, ken.id
        yield Kept(log, wakeups, *ids, recordings, record, age)


@pytest.fixture(params=["in_memory", "in_postgres"])
def kept(request: pytest.FixtureRequest) -> Kept:
    log: Kept = request.getfixturevalue(request.param)
    return log
