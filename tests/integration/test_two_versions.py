"""While servers are upgraded one by one, older processes read talks that newer ones write."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest

from kaiwa.adapters.postgres.migrate import migrate
from kaiwa.errors import SetupError
from tests.integration.house import Guest, House

NEWS: dict[str, Any] = {
    "type": "utterance.starred",
    "at": "2027-01-02T03:04:05.678000Z",
    "by": "ken",
    "stars": 3,
}


async def written_by_a_newer_process(database_url: str, talk: str, *, told: bool) -> int:
    """An event that only it knows, appended as every version appends."""
    link = await asyncpg.connect(database_url)
    async with link.transaction():
        seq: int = await link.fetchval(
            "UPDATE talks SET seq = seq + 1 WHERE id = $1 RETURNING seq", talk
        )
        await link.execute(
            "INSERT INTO events VALUES ($1, $2, $3, $4)", talk, seq, f"e{seq}", json.dumps(NEWS)
        )
        if told:
            payload = json.dumps({"seq": seq, **NEWS})
            await link.execute("SELECT pg_notify($1, $2)", f"talks_{talk}", payload)
    await link.close()
    return seq


@pytest.mark.parametrize("told", [True, False])
async def test_an_older_process_goes_on_beside_a_newer_one(
    home: House, mari: Guest, database_url: str, told: bool
) -> None:
    talk = await mari.new_talk()

    async def say(text: str) -> int:
        answer = await mari.http.post(f"/talks/{talk}/messages", json={"text": text})
        assert answer.status_code == 201, answer.text
        seq: int = answer.json()["seq"]
        return seq

    first = await say("一")
    async with mari.reading(talk, first) as live:
        await live.until("ready")
        news = await written_by_a_newer_process(database_url, talk, told=told)
        second = await say("二")
        await live.until(lambda event: event.get("text") == "二")
    assert (first + 1, first + 2) == (news, second)
    durable = [event for event in live.seen if "id" in event]
    assert [event["seq"] for event in durable] == [news, second]
    assert {**durable[0], **NEWS} == durable[0]

    async with mari.reading(talk) as again:
        await again.until("ready")
    assert [event["seq"] for event in again.seen if "id" in event] == list(range(1, second + 1))
    assert [event["seq"] for event in await mari.events(talk)] == list(range(1, second + 1))

    reply = await mari.http.post(f"/talks/{talk}/reply")
    assert reply.status_code == 202, reply.text
    async with mari.reading(talk, second) as live:
        finished = await live.until("reply.finished")
    assert finished["status"] == "complete"

    for form in ("txt", "md", "srt", "vtt", "json"):
        answer = await mari.http.get(f"/talks/{talk}/export?format={form}")
        assert answer.status_code == 200 and "二" in answer.text and "stars" not in answer.text
    assert (await mari.http.post("/talks/import", content=answer.content)).status_code == 201
    assert (await mari.http.delete(f"/talks/{talk}")).status_code == 204
    link = await asyncpg.connect(database_url)
    rows = await link.fetch("SELECT payload FROM events WHERE talk_id = $1", talk)
    assert not any("stars" in row["payload"] for row in rows)
    await link.close()


async def test_an_older_version_does_not_start_on_a_newer_schema(database_url: str) -> None:
    link = await asyncpg.connect(database_url)
    await link.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SetupError, match="newer kaiwa"):
        await migrate(database_url)
    assert await link.fetchval("SELECT version_num FROM alembic_version") == "9999"
    await link.close()
