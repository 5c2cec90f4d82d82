"""A database of the first schema, with a talk in it, becomes today's and loses nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import kaiwa.adapters.postgres.migrate as migrating
from kaiwa.adapters.postgres.accounts import PostgresAccounts
from kaiwa.adapters.postgres.backup import dump, restore
from kaiwa.adapters.postgres.clips import PostgresClipStore
from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.event_log import PostgresEventLog
from kaiwa.adapters.postgres.migrate import migrate
from kaiwa.adapters.postgres.readings import read_lines
from kaiwa.adapters.postgres.talks import PostgresTalks
from kaiwa.domain.ids import ClipId, TalkId, UserId
from kaiwa.policy.transcript import lines

AT = "2026-01-02T03:04:05.678Z"
LOG: list[dict[str, object]] = [
    {"type": "member.joined", "participant": "mari", "name": "まり", "role": "owner"},
    {
        **{"type": "utterance.final", "utterance_id": "u1", "participant": "mari"},
        **{"name": "まり", "text": "雨", "language": "ja", "started_ms": 0, "ended_ms": 9},
    },
    {"type": "utterance.edited", "utterance_id": "u1", "text": "飴", "by": "mari"},
    {"type": "reply.started", "reply_id": "r1", "generation": 1, "cause": "mari", "name": "AI"},
    {
        **{"type": "reply.clause", "reply_id": "r1", "index": 0, "text": "甘いです。"},
        **{"start": 0, "end": 5, "clip": "c1", "duration_ms": 9},
    },
    {"type": "reply.finished", "reply_id": "r1", "status": "complete", "text": "甘いです。"},
    {
        **{"type": "reply.cut", "reply_id": "r1", "by": "mari", "clause": 0, "ms": 1},
        "heard_text": "甘い",
    },
]


def to_first(connection: Connection) -> None:
    config = Config()
    folder = Path(migrating.__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")


@pytest.fixture
async def old_url(postgres: str) -> AsyncIterator[str]:
    """A database as the first version left it."""
    admin = await asyncpg.connect(postgres)
    await admin.execute("CREATE DATABASE old")
    url = postgres.replace("/postgres?", "/old?")

    async def connected() -> asyncpg.Connection:
        return await asyncpg.connect(url)

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=connected, poolclass=NullPool
    )
    async with engine.begin() as connection:
        await connection.run_sync(to_first)
    await engine.dispose()
    link = await asyncpg.connect(url)
    await link.execute("INSERT INTO users (id, name) VALUES ('mari', 'まり')")
    for talk in ("kept", "gone"):
        await link.execute(
            """
            INSERT INTO talks (id, title, language, agent_name, instructions, llm_model, voice,
                mode, seq, created_by, deleted_at)
            VALUES ($1, '題', 'ja', 'AI', '', '', 'auto', 'button', $2, 'mari',
                CASE WHEN $1 = 'gone' THEN now() END)
            """,
            talk,
            len(LOG),
        )
        await link.execute("INSERT INTO members VALUES ($1, 'mari', 'owner')", talk)
        for seq, event in enumerate(LOG, start=1):
            payload = {} if talk == "gone" else {"at": AT, **event}
            await link.execute(
                "INSERT INTO events VALUES ($1, $2, $3, $4)",
                *(talk, seq, f"e{seq}", json.dumps(payload)),
            )
    await link.execute("INSERT INTO clips VALUES ('c1', 'kept', 'tone:ja', 'opus')")
    await link.close()
    yield url
    await admin.execute("DROP DATABASE old WITH (FORCE)")
    await admin.close()


async def test_a_database_of_the_first_schema_becomes_todays(old_url: str) -> None:
    await migrate(old_url)
    await check(old_url)


async def test_so_does_a_backup_of_it(old_url: str, postgres: str, tmp_path: Path) -> None:
    dump(old_url, tmp_path / "kaiwa.backup")
    admin = await asyncpg.connect(postgres)
    await admin.execute("CREATE DATABASE new")
    url = postgres.replace("/postgres?", "/new?")
    try:
        await restore(url, tmp_path / "kaiwa.backup")
        await migrate(url)
        await check(url)
    finally:
        await admin.execute("DROP DATABASE new WITH (FORCE)")
        await admin.close()


async def check(url: str) -> None:
    """Nothing of the talk is lost, and of the deleted one nothing is there."""
    async with Database.open(url) as database:
        talks, mari = PostgresTalks(database), UserId("mari")
        (talk,) = await talks.of(mari)
        assert (talk.id, talk.title, talk.retention_days, talk.seq) == ("kept", "題", 0, len(LOG))
        assert not talk.recording
        log = await PostgresEventLog(database).read(TalkId("kept"), 0)
        assert [recorded.event.type for recorded in log] == [event["type"] for event in LOG]
        assert [line.text for line in lines(log)] == ["飴", "甘い"]
        found = {
            text: [(hit.text, hit.seq, hit.name) for hit in await talks.search(mari, text, 9)]
            for text in ("飴", "雨", "甘い", "です")
        }
        assert found == {
            "飴": [("飴", 2, "まり")],
            "雨": [],
            "甘い": [("甘い", 4, "AI")],
            "です": [],
        }
        assert await read_lines(database) == 2
        assert [hit.text for hit in await talks.search(mari, "あまい", 9)] == ["甘い"]
        clips = PostgresClipStore(database)
        assert await clips.voice(TalkId("kept"), ClipId("c1")) == "tone:ja"
        user = await PostgresAccounts(database).credentials("まり")
        assert user is not None and user.user.id == "mari"
