"""What every way of waking readers keeps its word on: memory, NOTIFY, and a real NATS server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from kaiwa.adapters.memory.event_log import MemoryEventLog
from kaiwa.adapters.nats import NatsBus
from kaiwa.adapters.postgres.accounts import PostgresAccounts
from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.event_log import PostgresEventLog
from kaiwa.adapters.postgres.talks import PostgresTalks
from kaiwa.adapters.postgres.wakeups import PostgresWakeups
from kaiwa.domain.events import Presence, Recorded, ReplyClause, UtteranceFinal
from kaiwa.domain.ids import EventId, TalkId
from kaiwa.domain.talk import TalkSettings
from kaiwa.errors import TakenOver
from kaiwa.pipeline import fan_out
from kaiwa.pipeline.fan_out import Item, Ready
from kaiwa.ports.event_log import EventLog
from kaiwa.ports.wakeup import Wakeups
from tests.fakes.reading import reading
from tests.fakes.utterances import said
from tests.nats_server import nats_server


@dataclass
class Site:
    """Two processes: one writes, the other reads."""

    log: EventLog
    wakeups: Wakeups
    talk: TalkId
    other: TalkId


async def two_talks(database: Database) -> tuple[TalkId, TalkId]:
    mari = await PostgresAccounts(database).register("まり", None)
    talks = PostgresTalks(database)
    one, two = [await talks.create(mari, TalkSettings(), None) for _ in range(2)]
    return one.id, two.id


@pytest.fixture
def in_memory() -> Site:
    log = MemoryEventLog()
    for talk in ("talk", "other"):
        log.add_talk(TalkId(talk))
    return Site(log, log, TalkId("talk"), TalkId("other"))


@pytest.fixture
async def by_notify(database: Database) -> AsyncIterator[Site]:
    async with PostgresWakeups.run(database.url) as wakeups:
        yield Site(PostgresEventLog(database), wakeups, *await two_talks(database))


@pytest.fixture
async def by_nats(database_url: str) -> AsyncIterator[Site]:
    async with (
        nats_server() as server,
        NatsBus.run(server.url) as writer,
        NatsBus.run(server.url) as reader,
        Database.open(database_url, writer) as database,
    ):
        yield Site(PostgresEventLog(database), reader, *await two_talks(database))


@pytest.fixture(params=["in_memory", "by_notify", "by_nats"])
def site(request: pytest.FixtureRequest) -> Site:
    made: Site = request.getfixturevalue(request.param)
    return made


async def test_an_append_wakes_with_the_event_itself(site: Site) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await site.wakeups.listen(site.talk, heard.put_nowait)
    recorded = await site.log.append(site.talk, said("はい"))
    values = json.loads(await heard.get())
    assert (values["seq"], values["text"]) == (recorded.seq, "はい")


async def test_a_large_event_wakes_with_its_seq(site: Site) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await site.wakeups.listen(site.talk, heard.put_nowait)
    recorded = await site.log.append(site.talk, said("あ" * 4_000))
    assert json.loads(await heard.get()) == {"seq": recorded.seq}


async def test_what_is_told_comes_between_what_is_stored_in_order(site: Site) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await site.wakeups.listen(site.talk, heard.put_nowait)
    await site.log.append(site.talk, said("一"))
    await site.log.tell(site.talk, Presence(participant="ken", name="Ken", state="here"))
    await site.log.append(site.talk, said("二"))
    kinds = [json.loads(await heard.get())["type"] for _ in range(3)]
    assert kinds == ["utterance.final", "presence", "utterance.final"]


async def test_each_talk_wakes_its_own_readers(site: Site) -> None:
    first, second, others = (asyncio.Queue[str]() for _ in range(3))
    await site.wakeups.listen(site.talk, first.put_nowait)
    await site.wakeups.listen(site.talk, second.put_nowait)
    await site.wakeups.listen(site.other, others.put_nowait)
    await site.log.append(site.talk, said("こちら"))
    await site.log.append(site.other, said("あちら"))
    assert "こちら" in await first.get()
    assert "こちら" in await second.get()
    assert "あちら" in await others.get()
    assert first.empty()


async def test_who_does_not_listen_any_more_is_not_woken(site: Site) -> None:
    left, stays = asyncio.Queue[str](), asyncio.Queue[str]()
    await site.wakeups.listen(site.talk, left.put_nowait)
    await site.wakeups.unlisten(site.talk, left.put_nowait)
    await site.wakeups.listen(site.talk, stays.put_nowait)
    await site.log.append(site.talk, said("はい"))
    assert "はい" in await stays.get()
    assert left.empty()


async def test_what_was_not_committed_wakes_nobody(site: Site) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await site.wakeups.listen(site.talk, heard.put_nowait)
    with pytest.raises(TakenOver):
        await append_to_a_closed_reply(site)
    await site.log.append(site.talk, said("はい"))
    assert "はい" in await heard.get()


async def append_to_a_closed_reply(site: Site) -> None:
    await site.log.append(
        site.talk, ReplyClause(reply_id="nobody's", index=0, text="いいえ", start=0, end=3)
    )


async def next_text(items: AsyncIterator[Item]) -> str:
    while True:
        item = await anext(items)
        if isinstance(item, Recorded) and isinstance(item.event, UtteranceFinal):
            return item.event.text


async def test_a_nats_server_that_is_killed_costs_time_and_no_event(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out, "SLOW_TIMER_S", 0.05)
    async with (
        nats_server() as server,
        NatsBus.run(server.url) as bus,
        Database.open(database_url, bus) as database,
    ):
        talk, _ = await two_talks(database)
        log = PostgresEventLog(database)
        async with reading(log, bus, talk, 0) as items:
            await log.append(talk, said("一"))
            assert await next_text(items) == "一"
            await server.kill()
            for text in "二三":
                await log.append(talk, said(text), event_id=EventId(text))
            assert [await next_text(items) for _ in range(2)] == ["二", "三"]


async def test_a_nats_server_that_comes_back_wakes_everybody(database_url: str) -> None:
    async with (
        nats_server() as server,
        NatsBus.run(server.url) as bus,
        Database.open(database_url, bus) as database,
    ):
        talk, _ = await two_talks(database)
        log = PostgresEventLog(database)
        woken: asyncio.Queue[str] = asyncio.Queue()
        await bus.listen(talk, woken.put_nowait)
        await server.kill()
        await server.start()
        while await woken.get():
            pass
        await log.append(talk, said("はい"))
        assert "はい" in await woken.get()


async def test_a_nats_server_that_is_away_at_first_is_waited_for(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaiwa.adapters.nats.CONNECT_TIMEOUT_S", 1)
    async with (
        nats_server(started=False) as server,
        NatsBus.run(server.url) as bus,
        Database.open(database_url, bus) as database,
    ):
        talk, _ = await two_talks(database)
        log = PostgresEventLog(database)
        async with reading(log, bus, talk, 0) as items:
            while not isinstance(await anext(items), Ready):
                pass
            await server.start()
            await log.append(talk, said("はい"))
            assert await next_text(items) == "はい"
