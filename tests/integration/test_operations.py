"""What whoever runs kaiwa sees of it: logs, numbers, backups."""

from __future__ import annotations

import io
import json
import logging
import re
import stat
from pathlib import Path

import asyncpg
import pytest

from kaiwa.adapters.postgres.accounts import PostgresAccounts
from kaiwa.adapters.postgres.backup import dump, restore
from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.migrate import migrate
from kaiwa.adapters.postgres.talks import PostgresTalks
from kaiwa.domain.talk import TalkSettings
from kaiwa.errors import Conflict, NotFound, SetupError
from tests.integration.house import Guest, House
from tests.sounds import speech

PASSWORD = "correct horse"
SECRETS = ["ないしょ", "ひみつ", "こたえ", "訂正", PASSWORD, "wrong pass"]


async def test_no_word_and_no_secret_gets_into_a_log(
    home: House, mari: Guest, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with home.client() as http:
        who = {"name": "かんな", "password": PASSWORD, "bearer": True}
        tokens = (await http.post("/auth/register", json=who)).json()
        await http.post("/auth/login", json={**who, "password": "wrong pass"})
        for _ in range(3):
            given = {"refresh_token": tokens["refresh_token"]}
            await http.post("/auth/refresh", json=given)
    talk = await mari.new_talk(title="ないしょの題", instructions="ひみつの指示")
    invite = (await mari.http.post(f"/talks/{talk}/invites")).json()
    heard = (await mari.speak(talk, speech(900, 900))).json()["utterances"][0]["text"]
    said = (await mari.http.post(f"/talks/{talk}/messages", json={"text": "ひみつ"})).json()
    await mari.http.patch(f"/talks/{talk}/utterances/{said['utterance_id']}", json={"text": "訂正"})
    await mari.http.post(f"/talks/{talk}/messages", json={"text": "ひみつ\0"})
    home.chat.replies = [["こたえです。"]]
    async with mari.reading(talk) as events:
        await mari.http.post(f"/talks/{talk}/reply")
        reply = (await events.until("reply.finished"))["reply_id"]

    async def crash(*given: object, **named: object) -> None:
        raise ValueError("ひみつ in an error of somebody else's")

    monkeypatch.setattr(home.services.sessions._accounts, "live_sessions", crash)
    async with mari.reading(talk) as events:
        await events.until("ready")
        home.services.sessions.look()
        while "task_crashed" not in written.getvalue():
            await mari.http.get("/search", params={"q": "ひみつ"})
    logging.getLogger("somebody").error("could not do %s", "ひみつ")

    log = written.getvalue()
    assert "ValueError" in log and "capture_ended" in log and "could not do %s" in log
    token = mari.http.headers["authorization"].removeprefix("Bearer ")
    secrets = [*SECRETS, heard, token, tokens["token"], tokens["refresh_token"], invite["code"]]
    assert [secret for secret in secrets if secret in log] == []
    lines = [json.loads(line) for line in log.splitlines()]
    finished = next(line for line in lines if line["event"] == "reply_finished")
    assert (finished["talk"], finished["reply"]) == (talk, reply)


async def test_who_comes_in_and_who_is_refused_is_in_the_log(
    home: House, mari: Guest, ken: Guest, written: io.StringIO
) -> None:
    talk = await mari.new_talk()
    async with home.client() as http:
        who = {"name": "かんな", "password": PASSWORD}
        kanna = (await http.post("/auth/register", json=who)).json()["user"]["id"]
        await http.post("/auth/login", json={**who, "password": "wrong pass"})
        await http.post("/auth/login", json={"name": PASSWORD, "password": "かんな"})
        await http.post("/auth/login", json=who)
        await http.post("/talks", json={}, headers={"origin": "https://evil.example"})
        await http.get("/talks", headers={"host": "evil.example"})
    await ken.http.get(f"/talks/{talk}/events")
    own = await ken.new_talk()
    async with ken.reading(own, path=f"/stream?after={own}:0,{talk}:0") as events:
        await events.until("ready")
    await ken.http.post("/talks", json={"title": 7})

    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    told = [
        (line["event"], line["route"], line.get("code"), line["user"] or line.get("account"))
        for line in lines
        if "address" in line
    ]
    assert told == [
        ("signed_in", "/auth/register", None, kanna),
        ("password_wrong", "/auth/login", None, kanna),
        ("refused", "/auth/login", "not_signed_in", None),
        ("password_wrong", "/auth/login", None, None),
        ("refused", "/auth/login", "not_signed_in", None),
        ("signed_in", "/auth/login", None, kanna),
        ("refused", "/talks", "forbidden", None),
        ("refused", "", "forbidden", None),
        ("refused", "/talks/{talk_id}/events", "not_found", ken.id),
        ("refused", "/stream", "not_found", ken.id),
        ("refused", "/talks", "bad_request", ken.id),
    ]
    assert {line["address"] for line in lines if "address" in line} == {"127.0.0.1"}
    assert all(line["timestamp"].endswith("Z") for line in lines)


async def test_the_process_in_numbers(home: House, mari: Guest) -> None:
    talk = await mari.new_talk()
    home.chat.replies = [["はい。"]]
    async with mari.reading(talk) as events:
        await events.until("ready")
        await mari.speak(talk, speech(900, 900))
        await mari.http.post(f"/talks/{talk}/reply")
        await events.until("reply.finished")
        numbers: dict[str, str] = {}
        while 'kaiwa_replies_total{status="complete"}' not in numbers:
            text = (await mari.http.get("/metrics")).text
            numbers = dict(re.findall(r"^(kaiwa_\S+) (\S+)$", text, re.MULTILINE))
    assert numbers["kaiwa_listeners"] == "1.0"
    assert numbers["kaiwa_talkers"] == "0.0"
    assert float(numbers['kaiwa_events_total{type="utterance.final"}']) >= 1
    assert numbers['kaiwa_replies_total{status="complete"}'] == "1.0"
    assert float(numbers['kaiwa_reply_seconds_count{stage="total"}']) == 1
    assert float(numbers["kaiwa_recognition_lag_seconds_count"]) >= 0


async def test_strangers_get_no_numbers(home: House, mari: Guest) -> None:
    by_proxy = {"x-forwarded-for": "203.0.113.9"}
    async with home.client() as http:
        assert (await http.get("/metrics", headers=by_proxy)).status_code == 401
    assert (await mari.http.get("/metrics", headers=by_proxy)).status_code == 403
    owner = await home.services.accounts.machine_owner("owner")
    async with home.client((await home.services.sessions.begin(owner)).access) as http:
        assert (await http.get("/metrics", headers=by_proxy)).status_code == 200


async def test_a_backup_is_the_whole_database(
    database_url: str, postgres: str, tmp_path: Path
) -> None:
    file = tmp_path / "kaiwa.backup"
    async with Database.open(database_url) as database:
        mari = await PostgresAccounts(database).register("まり", None)
        talk = await PostgresTalks(database).create(mari, TalkSettings(title="旅行"), None)
    dump(database_url, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(Conflict, match="exists"):
        dump(database_url, file)
    with pytest.raises(Conflict, match="another --data"):
        await restore(database_url, file)

    admin = await asyncpg.connect(postgres)
    await admin.execute("CREATE DATABASE heir")
    url = postgres.replace("/postgres?", "/heir?")
    try:
        with pytest.raises(NotFound):
            await restore(url, tmp_path / "nothing")
        (tmp_path / "junk").write_text("junk")
        with pytest.raises(SetupError, match="pg_restore"):
            await restore(url, tmp_path / "junk")
        await restore(url, file)
        await migrate(url)
        async with Database.open(url) as database:
            talks = PostgresTalks(database)
            assert (await talks.get(talk.id, mari.id)).title == "旅行"
            assert await talks.search(mari.id, "旅行", 5) == []
    finally:
        await admin.execute("DROP DATABASE heir WITH (FORCE)")
        await admin.close()


def test_a_backup_without_a_database_says_so(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="pg_dump"):
        dump(f"postgresql://nobody:hidden@/nothing?host={tmp_path}", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
