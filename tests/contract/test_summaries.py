"""What is kept of words that were cut goes when the words go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from kaiwa.adapters.memory.event_log import MemoryEventLog
from kaiwa.adapters.memory.summaries import MemorySummaries
from kaiwa.adapters.postgres.accounts import PostgresAccounts
from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.event_log import PostgresEventLog
from kaiwa.adapters.postgres.summaries import PostgresSummaries
from kaiwa.adapters.postgres.sweeping import sweep
from kaiwa.adapters.postgres.talks import PostgresTalks
from kaiwa.domain.events import UtteranceFinal
from kaiwa.domain.ids import TalkId
from kaiwa.domain.talk import TalkSettings
from kaiwa.errors import NotFound
from kaiwa.ports.event_log import EventLog
from kaiwa.ports.summaries import Summaries


@dataclass
class Kept:
    summaries: Summaries
    log: EventLog
    talk: TalkId
    erase: Callable[[], Awaitable[object]]
    """Everything said so far."""
    delete: Callable[[], Awaitable[None]]

    async def put(self, digest: str, *wanted: str, erasures: int = 0) -> None:
        await self.summaries.put(
            self.talk, digest, f"text of {digest}", erasures=erasures, wanted=wanted
        )


SAID = UtteranceFinal(
    **{"utterance_id": "u", "participant": "m", "name": "m", "text": "古い話", "language": "ja"},
    started_ms=0,
    ended_ms=1,
)


@pytest.fixture
def in_memory() -> Kept:
    log, talk = MemoryEventLog(), TalkId("talk")
    log.add_talk(talk)

    async def erase() -> None:
        log.erase(talk, 1)

    async def delete() -> None:
        log.forget_talk(talk)

    return Kept(MemorySummaries(log), log, talk, erase, delete)


@pytest.fixture
async def in_postgres(database: Database) -> AsyncIterator[Kept]:
    talks = PostgresTalks(database)
    mari = await PostgresAccounts(database).register("まり", None)
    talk = (await talks.create(mari, TalkSettings(retention_days=1), None)).id

    async def erase() -> bool:
        async with database.connection() as connection:
            await connection.execute(
                'UPDATE events SET payload = payload || \'{"at": "2020-01-01T00:00:00Z"}\''
            )
        return await sweep(database)

    async def delete() -> None:
        await talks.delete(talk, mari.id)

    log = PostgresEventLog(database)
    yield Kept(PostgresSummaries(database), log, talk, erase, delete)


@pytest.fixture(params=["memory", "postgres"])
def kept(request: pytest.FixtureRequest) -> Kept:
    kept: Kept = request.getfixturevalue(f"in_{request.param}")
    return kept


async def test_what_is_put_is_there_and_what_is_not_wanted_goes(kept: Kept) -> None:
    assert await kept.summaries.of(kept.talk) == {}
    await kept.put("a")
    await kept.put("b", "a")
    assert await kept.summaries.of(kept.talk) == {"a": "text of a", "b": "text of b"}
    await kept.put("c", "b", "d")
    assert set(await kept.summaries.of(kept.talk)) == {"b", "c"}
    assert await kept.summaries.of(TalkId("nowhere")) == {}


async def test_words_that_are_erased_take_the_summaries_along(kept: Kept) -> None:
    await kept.log.append(kept.talk, SAID)
    await kept.put("a")
    assert await kept.log.erasures(kept.talk) == 0
    await kept.erase()
    assert await kept.log.erasures(kept.talk) == 1
    assert await kept.summaries.of(kept.talk) == {}
    await kept.put("a", erasures=0)  # begun before
    assert await kept.summaries.of(kept.talk) == {}
    await kept.put("a", erasures=1)
    assert set(await kept.summaries.of(kept.talk)) == {"a"}


async def test_of_a_deleted_talk_nothing_stays(kept: Kept) -> None:
    await kept.put("a")
    await kept.delete()
    assert await kept.summaries.of(kept.talk) == {}
    await kept.put("a")
    assert await kept.summaries.of(kept.talk) == {}
    with pytest.raises(NotFound):
        await kept.log.erasures(kept.talk)
