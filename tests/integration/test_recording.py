"""The sound of what was said: kept where the owner wants it, for members, gone with its words."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from kaiwa.adapters.postgres.backup import dump, restore
from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.sweeping import sweep
from tests.integration.house import Guest, House
from tests.integration.test_keeping import age
from tests.sounds import speech


async def recorded(guest: Guest, talk: str) -> dict[str, Any]:
    """Something said while the talk is recorded: its utterance.final."""
    await guest.http.patch(f"/talks/{talk}", json={"recording": True})
    await guest.speak(talk, speech(600, 900))
    final: dict[str, Any] = next(
        e for e in reversed(await guest.events(talk)) if e["type"] == "utterance.final"
    )
    assert final["recorded"]
    return final


def path_of(talk: str, final: dict[str, Any]) -> str:
    return f"/talks/{talk}/utterances/{final['utterance_id']}/sound"


async def kept_rows(database_url: str) -> int:
    connection = await asyncpg.connect(database_url)
    count: int = await connection.fetchval("SELECT count(*) FROM recordings")
    await connection.close()
    return count


async def test_nothing_is_kept_unless_an_owner_says_so(
    mari: Guest, ken: Guest, database_url: str
) -> None:
    talk = await mari.new_talk()
    assert (await mari.http.get(f"/talks/{talk}")).json()["recording"] is False
    await mari.speak(talk, speech(600, 900))
    await mari.http.post(f"/talks/{talk}/members", json={"name": "Ken"})
    answer = await ken.http.patch(f"/talks/{talk}", json={"recording": True})
    assert answer.status_code == 403
    (final,) = [e for e in await mari.events(talk) if e["type"] == "utterance.final"]
    assert final["recorded"] is False
    assert (await mari.http.get(path_of(talk, final))).status_code == 404
    assert await kept_rows(database_url) == 0


async def test_everybody_is_told_and_members_hear_what_was_said(mari: Guest, ken: Guest) -> None:
    talk = await mari.new_talk()
    await mari.http.post(f"/talks/{talk}/members", json={"name": "Ken", "role": "listener"})
    async with ken.reading(talk) as events:
        await events.until("ready")
        final = await recorded(mari, talk)
        told = await events.until("talk.updated")
        assert (told["by"], told["settings"]) == (mari.id, {"recording": True})
        assert (await events.until("utterance.final"))["recorded"]
    answer = await ken.http.get(path_of(talk, final))
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (
        "audio/wav",
        "no-store",
    )
    with wave.open(io.BytesIO(answer.content)) as sound:
        length_ms = sound.getnframes() // 16
        assert sound.getframerate() == 16_000
    assert length_ms >= final["ended_ms"] - final["started_ms"] > 500
    opus = await ken.http.get(path_of(talk, final), headers={"accept": "audio/ogg"})
    assert opus.content.startswith(b"OggS")

    await mari.http.patch(f"/talks/{talk}", json={"recording": False})
    await mari.speak(talk, speech(600, 900))
    assert not (await mari.events(talk))[-1]["recorded"]
    typed = (await mari.http.post(f"/talks/{talk}/messages", json={"text": "はい"})).json()
    assert (await mari.http.get(path_of(talk, typed))).status_code == 404


async def test_sound_goes_with_its_talk(mari: Guest, database_url: str) -> None:
    talk = await mari.new_talk()
    final = await recorded(mari, talk)
    assert await kept_rows(database_url) == 1
    await mari.http.delete(f"/talks/{talk}")
    assert await kept_rows(database_url) == 0
    assert (await mari.http.get(path_of(talk, final))).status_code == 404


async def test_sound_goes_with_what_a_talk_keeps_no_longer(
    mari: Guest, database: Database, database_url: str
) -> None:
    talk = await mari.new_talk()
    old = await recorded(mari, talk)
    await mari.http.patch(f"/talks/{talk}", json={"retention_days": 7})
    await age(database_url, 8)
    new = await recorded(mari, talk)
    assert await sweep(database)
    assert (await mari.http.get(path_of(talk, old))).status_code == 404
    assert (await mari.http.get(path_of(talk, new))).status_code == 200


async def test_an_export_says_what_was_recorded_and_an_import_has_none_of_it(
    mari: Guest, ken: Guest
) -> None:
    talk = await mari.new_talk()
    final = await recorded(mari, talk)
    exported = (await mari.http.get(f"/talks/{talk}/export?format=json")).content
    assert [e["recorded"] for e in json.loads(exported)["events"] if "recorded" in e] == [True]
    new = (await ken.http.post("/talks/import", content=exported)).json()
    assert new["recording"] is False
    copied = [e for e in await ken.events(new["id"]) if e["type"] == "utterance.final"]
    assert [e["recorded"] for e in copied] == [False]
    assert (await ken.http.get(path_of(new["id"], final))).status_code == 404


@pytest.mark.parametrize("server_kind", ["granian"], indirect=True)
async def test_a_backup_holds_the_sound(
    home: House, mari: Guest, database_url: str, postgres: str, tmp_path: Path
) -> None:
    await recorded(mari, await mari.new_talk())
    dump(database_url, tmp_path / "backup")
    admin = await asyncpg.connect(postgres)
    await admin.execute("CREATE DATABASE sounding")
    url = postgres.replace("/postgres?", "/sounding?")
    try:
        await restore(url, tmp_path / "backup")
        assert await kept_rows(url) == 1
    finally:
        await admin.execute("DROP DATABASE sounding WITH (FORCE)")
        await admin.close()
