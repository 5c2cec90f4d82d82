"""How long things are kept, and giving them back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.sweeping import sweep
from kaiwa.domain.events import encode
from kaiwa.policy.export import export
from tests.integration.house import Guest, House
from tests.sounds import speech

SECRET = "ないしょ"


async def replied(home: House, guest: Guest, talk: str, first: str = "今日は") -> dict[str, Any]:
    """A reply, to its end; its first clause."""
    home.chat.replies = [[first, "晴れです。"]]
    async with guest.reading(talk) as events:
        await events.until("ready")
        await guest.http.post(f"/talks/{talk}/reply")
        await events.until("reply.finished")
        return next(event for event in events.seen if event["type"] == "reply.clause")


async def age(database_url: str, days: int) -> None:
    """Let everything have happened so many days ago."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        """
        UPDATE events SET payload = jsonb_set(payload, '{at}', to_jsonb(
            (payload ->> 'at')::timestamptz - $1 * interval '1 day')) WHERE payload <> '{}'
        """,
        days,
    )
    await connection.execute("UPDATE lines SET at = at - $1 * interval '1 day'", days)
    await connection.execute("UPDATE recordings SET at = at - $1 * interval '1 day'", days)
    await connection.execute(
        "UPDATE clips SET created_at = created_at - $1 * interval '1 day'", days
    )
    await connection.close()


async def test_a_talk_keeps_what_its_owner_wants_kept(
    home: House, mari: Guest, ken: Guest, database: Database, database_url: str
) -> None:
    talk, kept = await mari.new_talk(), await mari.new_talk()
    await mari.http.post(f"/talks/{talk}/members", json={"name": "Ken"})
    setting = {"retention_days": 7}
    assert (await ken.http.patch(f"/talks/{talk}", json=setting)).status_code == 403
    assert (await mari.http.patch(f"/talks/{talk}", json=setting)).json()["retention_days"] == 7
    texts = ("title", "vocabulary", "agent_name", "instructions")
    for word in (SECRET, "公開"):
        await mari.http.patch(f"/talks/{talk}", json=dict.fromkeys(texts, word))
    old = (await mari.http.post(f"/talks/{talk}/messages", json={"text": "古い話"})).json()
    await mari.http.post(f"/talks/{kept}/messages", json={"text": "古い話"})
    clause = await replied(home, mari, talk)
    await age(database_url, 8)
    path = f"/talks/{talk}/utterances/{old['utterance_id']}"
    await mari.http.patch(path, json={"text": "古い話、なおした"})
    await mari.http.post(f"/talks/{talk}/messages", json={"text": "新しい話"})
    await mari.http.patch(f"/talks/{talk}", json={"mode": "hands-free"})
    seq = (await mari.events(talk))[-1]["seq"]

    assert await sweep(database)

    events = await mari.events(talk)
    assert [e.get("text") for e in events if e["type"] == "utterance.final"] == ["新しい話"]
    assert [e["settings"] for e in events if e["type"] == "talk.updated"] == [
        {"mode": "hands-free"}
    ]
    assert events[-1]["seq"] == seq
    assert "events" not in await holding(database_url, talk)
    settings = (await mari.http.get(f"/talks/{talk}")).json()
    assert [settings[text] for text in texts] == ["公開"] * 4
    found = (await mari.http.get("/search", params={"q": "古い話"})).json()["results"]
    assert [hit["talk"] for hit in found] == [kept]
    assert (await mari.http.get(f"/talks/{talk}/clips/{clause['clip']}")).status_code == 404
    export = await mari.http.get(f"/talks/{talk}/export")
    assert export.text == "まり: 新しい話\n"
    async with mari.reading(talk) as stream:
        await stream.until("ready")
        await mari.http.post(f"/talks/{talk}/messages", json={"text": "今"})
        assert (await stream.until("utterance.final"))["seq"] == seq + 1


async def test_of_a_deleted_talk_no_table_holds_a_word(
    home: House, mari: Guest, database_url: str
) -> None:
    texts = ("title", "vocabulary", "agent_name", "instructions")
    talk = await mari.new_talk(**dict.fromkeys(texts, SECRET))
    await mari.http.patch(f"/talks/{talk}", json={"recording": True})
    await mari.speak(talk, speech(600, 900))
    said = (await mari.http.post(f"/talks/{talk}/messages", json={"text": SECRET})).json()
    path = f"/talks/{talk}/utterances/{said['utterance_id']}"
    await mari.http.patch(path, json={"text": f"{SECRET}、なおした"})
    await replied(home, mari, talk, SECRET)
    assert {"talks", "events", "lines", "clips", "recordings"} <= await holding(database_url, talk)
    await mari.http.delete(f"/talks/{talk}")
    assert await holding(database_url, talk) <= {"members", "captures", "floors"}


async def holding(database_url: str, talk: str) -> set[str]:
    """The tables that hold SECRET somewhere, or something of the talk but its tombstones."""
    connection = await asyncpg.connect(database_url)
    found = set()
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for (table,) in tables:
        # S608: a table's name cannot be a parameter, and this one comes from the catalogue
        rows = await connection.fetch(f"SELECT t::text AS whole FROM {table} t")  # noqa: S608
        tombstone = table in ("talks", "events", "replies")
        for row in rows:
            words = any(word in row["whole"] for word in (SECRET, "今日", "晴れ"))
            if words or (talk in row["whole"] and not tombstone):
                found.add(table)
    await connection.close()
    return found


async def test_old_sound_is_dropped_and_spoken_again(
    home: House, mari: Guest, ken: Guest, database: Database, database_url: str
) -> None:
    talk = await mari.new_talk()
    clause = await replied(home, mari, talk)
    path = f"/talks/{talk}/clips/{clause['clip']}"
    first = (await mari.http.get(path)).content
    await age(database_url, 31)
    assert await sweep(database)
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT opus FROM clips") is None
    again = await mari.http.get(path)
    assert again.status_code == 200
    assert abs(len(again.content) - len(first)) < 4_000
    assert await connection.fetchval("SELECT length(opus) FROM clips") > 0
    await connection.close()
    assert (await ken.http.get(path)).status_code == 404
    assert (await mari.http.get(f"/talks/{talk}/clips/nothing")).status_code == 404


async def test_one_process_sweeps(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", 0x6B61697762)
        assert not await sweep(database)
    assert await sweep(database)


async def test_a_talk_comes_back_from_its_export(home: House, mari: Guest, ken: Guest) -> None:
    talk = await mari.new_talk(title="旅行", agent_name="アイ")
    said = (await mari.http.post(f"/talks/{talk}/messages", json={"text": "京都"})).json()
    await mari.http.patch(f"/talks/{talk}/utterances/{said['utterance_id']}", json={"text": "奈良"})
    clause = await replied(home, mari, talk)
    exported = (await mari.http.get(f"/talks/{talk}/export?format=json")).content
    key = {"idempotency-key": "once"}
    answer = await ken.http.post("/talks/import", content=exported, headers=key)
    assert answer.status_code == 201, answer.text
    new = answer.json()
    assert (new["title"], new["agent_name"], new["role"]) == ("旅行", "アイ", "owner")
    again = await ken.http.post("/talks/import", content=exported, headers=key)
    assert again.json()["id"] == new["id"]

    for form in ("txt", "srt"):
        path = f"export?format={form}"
        old = await mari.http.get(f"/talks/{talk}/{path}")
        assert (await ken.http.get(f"/talks/{new['id']}/{path}")).text == old.text
    events = await ken.events(new["id"])
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [e["name"] for e in events if e["type"] == "member.joined"] == ["Ken"]
    found = (await ken.http.get("/search", params={"q": "奈良"})).json()["results"]
    assert [(hit["talk"], hit["text"]) for hit in found] == [(new["id"], "奈良")]
    assert (await ken.http.get("/search", params={"q": "京都"})).json()["results"] == []

    clip = next(event["clip"] for event in events if event["type"] == "reply.clause")
    assert clip != clause["clip"]
    assert (await ken.http.get(f"/talks/{new['id']}/clips/{clip}")).status_code == 200
    assert (await ken.http.get(f"/talks/{talk}/clips/{clause['clip']}")).status_code == 404
    goes_on = await ken.http.post(f"/talks/{new['id']}/messages", json={"text": "つづき"})
    assert goes_on.json()["seq"] == len(events) + 1


UTTERANCE = {
    "type": "utterance.final",
    "at": "2026-01-01T00:00:00",
    "utterance_id": "u",
    "participant": "p",
    "name": "n",
    "text": "t",
    "language": "",
    "started_ms": 0,
    "ended_ms": 1,
}
STARTED = {"type": "reply.started", "reply_id": "r", "generation": 1, "cause": "", "name": "AI"}


def document(*events: object, **changes: object) -> str:
    talk = {"title": "", "created_at": "2026-01-01T00:00:00Z"}
    return json.dumps({"kaiwa": 1, "talk": talk, "events": events, **changes})


async def test_a_long_talk_is_taken_in_and_given_out_beside_the_others(
    mari: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def noting(function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any) -> Any:
            threads.append(threading.current_thread())
            return function(*given)

        return noted

    monkeypatch.setattr("kaiwa.adapters.postgres.talks.encode", noting(encode))
    monkeypatch.setattr("kaiwa.web.talks.export", noting(export))
    monkeypatch.setattr("kaiwa.adapters.postgres.talks.BATCH", 2)
    said = [{**UTTERANCE, "utterance_id": f"u{n}", "text": f"t{n}"} for n in range(5)]
    new = (await mari.http.post("/talks/import", content=document(*said))).json()["id"]
    text = (await mari.http.get(f"/talks/{new}/export?format=txt")).text
    assert text == "".join(f"n: t{n}\n" for n in range(5))
    found = (await mari.http.get("/search", params={"q": "t"})).json()["results"]
    assert {hit["seq"]: hit["text"] for hit in found} == {n + 2: f"t{n}" for n in range(5)}
    assert len(threads) == 6 and threading.main_thread() not in threads


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", "[]", "7", "[" * 100_000, document(kaiwa=2), document(talk={})),
        document({"type": "nonsense"}),
        document({**UTTERANCE, "started_ms": "soon"}),
        document({**UTTERANCE, "text": "\0"}),
        document(UTTERANCE).replace('"t"', r'"\ud800"'),
        document(talk={"title": "x" * 300, "created_at": "2026-01-01T00:00:00Z"}),
    ],
)
async def test_what_is_no_export_is_the_senders_fault(mari: Guest, text: str) -> None:
    answer = await mari.http.post("/talks/import", content=text)
    assert answer.status_code == 400, answer.text
    assert (await mari.http.get("/talks")).json()["talks"] == []


async def test_an_export_is_taken_as_data(mari: Guest, ken: Guest) -> None:
    stranger = {"type": "member.joined", "participant": ken.id, "name": "Ken", "role": "owner"}
    text = document(UTTERANCE, UTTERANCE, STARTED, stranger, {"type": "talk.deleted", "by": "x"})
    answer = await mari.http.post("/talks/import", content=text)
    assert answer.status_code == 201, answer.text
    talk = answer.json()["id"]
    kinds = [event["type"] for event in await mari.events(talk)]
    assert kinds == [
        *("member.joined", "utterance.final", "utterance.final", "reply.started"),
        "reply.finished",
    ]
    assert (await ken.http.get(f"/talks/{talk}")).status_code == 404
    for form in ("txt", "srt", "vtt", "md", "json"):
        assert (await mari.http.get(f"/talks/{talk}/export?format={form}")).status_code == 200
