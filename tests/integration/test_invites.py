"""Ways into a talk, and out of it."""

from __future__ import annotations

import asyncio
import json

import asyncpg
from websockets.asyncio.client import connect

from kaiwa.adapters.postgres.database import Database, queries
from tests.integration.house import L16, Guest, House, house
from tests.sounds import speech


async def invited(mari: Guest, talk: str, **wanted: object) -> dict[str, str]:
    answer = await mari.http.post(f"/talks/{talk}/invites", json=wanted)
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    return made


async def accepts(guest: Guest, code: str) -> int:
    return (await guest.http.post("/invites/accept", json={"code": code})).status_code


async def test_a_link_lets_somebody_in_with_its_role(home: House, mari: Guest, ken: Guest) -> None:
    talk = await mari.new_talk()
    made = await invited(mari, talk, role="listener")
    assert made["link"] == f"{home.url}/#invite={made['code']}"
    answer = await ken.http.post("/invites/accept", json={"code": made["code"]})
    assert (answer.json()["id"], answer.json()["role"]) == (talk, "listener")
    joined = (await mari.events(talk))[-1]
    assert (joined["type"], joined["name"], joined["role"]) == ("member.joined", "Ken", "listener")
    seq = joined["seq"]
    assert await accepts(ken, made["code"]) == 200
    assert (await mari.events(talk))[-1]["seq"] == seq, "nothing happened twice"


async def test_a_link_takes_no_role_away(mari: Guest) -> None:
    talk = await mari.new_talk()
    made = await invited(mari, talk, role="listener")
    assert await accepts(mari, made["code"]) == 200
    assert (await mari.http.get(f"/talks/{talk}")).json()["role"] == "owner"


async def test_a_link_is_shown_once_and_kept_as_its_digest(mari: Guest, database_url: str) -> None:
    talk = await mari.new_talk()
    made = await invited(mari, talk)
    listed = (await mari.http.get(f"/talks/{talk}/invites")).json()["invites"]
    assert listed == [{name: made[name] for name in ("id", "role", "expires_at")}]
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT invites::text FROM invites")
    await connection.close()
    assert made["code"] not in str(rows)


async def test_a_link_ends(mari: Guest, ken: Guest, database_url: str) -> None:
    talk = await mari.new_talk()
    revoked, late = await invited(mari, talk), await invited(mari, talk, hours=1)
    path = f"/talks/{talk}/invites/{revoked['id']}"
    assert (await mari.http.delete(path)).status_code == 204
    assert (await mari.http.delete(path)).status_code == 404
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE invites SET expires_at = now()")
    await connection.close()
    for code in (revoked["code"], late["code"], "guessed"):
        assert await accepts(ken, code) == 404
    assert (await mari.http.get(f"/talks/{talk}/invites")).json() == {"invites": []}


async def test_who_was_removed_needs_a_new_link(mari: Guest, ken: Guest) -> None:
    talk = await mari.new_talk()
    old = await invited(mari, talk)
    await accepts(ken, old["code"])
    await ken.http.delete(f"/talks/{talk}/members/{ken.id}")
    assert await accepts(ken, old["code"]) == 200, "who left may come back"
    await mari.http.delete(f"/talks/{talk}/members/{ken.id}")
    assert await accepts(ken, old["code"]) == 404
    assert await accepts(ken, (await invited(mari, talk))["code"]) == 200


async def test_only_owners_invite(mari: Guest, ken: Guest) -> None:
    talk = await mari.new_talk()
    made = await invited(mari, talk)
    await accepts(ken, made["code"])
    path = f"/talks/{talk}/invites"
    assert (await ken.http.post(path, json={})).status_code == 403
    assert (await ken.http.get(path)).status_code == 403
    assert (await ken.http.delete(f"{path}/{made['id']}")).status_code == 403
    assert (await mari.http.post(path, json={"role": "owner"})).status_code == 422


async def test_removal_reaches_uploads_in_another_process_at_once(database_url: str) -> None:
    async with (
        house(database_url) as one,
        house(database_url) as two,
        one.guest("まり") as mari,
        two.guest("Ken") as ken,
    ):
        talk = await mari.new_talk()
        await mari.http.post(f"/talks/{talk}/members", json={"name": "Ken"})
        url = f"{two.url.replace('http', 'ws')}/talks/{talk}/stream?type={L16}"
        headers = {"authorization": ken.http.headers["authorization"]}
        async with (
            mari.reading(talk) as events,
            connect(url, additional_headers=headers) as socket,
        ):
            await socket.send(speech(2_000).tobytes())
            await events.until("speech.started")
            await mari.http.delete(f"/talks/{talk}/members/{ken.id}")
            answer = json.loads(await socket.recv())
            assert answer["error"]["code"] == "forbidden"
            await events.until("member.left")
        kinds = [event["type"] for event in await mari.events(talk)]
        assert "utterance.final" not in kinds


async def test_a_speaker_made_a_listener_speaks_no_more(mari: Guest, ken: Guest) -> None:
    talk = await mari.new_talk()
    member = {"name": "Ken", "role": "speaker"}
    await mari.http.post(f"/talks/{talk}/members", json=member)
    url = f"{str(ken.http.base_url).replace('http', 'ws')}/talks/{talk}/stream?type={L16}"
    headers = {"authorization": ken.http.headers["authorization"]}
    async with mari.reading(talk) as events, connect(url, additional_headers=headers) as socket:
        await socket.send(speech(2_000).tobytes())
        await events.until("speech.started")
        await mari.http.post(f"/talks/{talk}/members", json={**member, "role": "listener"})
        assert json.loads(await socket.recv())["error"]["code"] == "forbidden"


async def test_one_talk_that_ends_does_not_end_the_others(mari: Guest, ken: Guest) -> None:
    shared, own, gone = await mari.new_talk(), await ken.new_talk(), await mari.new_talk()
    await mari.http.post(f"/talks/{shared}/members", json={"name": "Ken"})
    path = f"/stream?after={shared}:0,{own}:0,{gone}:0"
    async with ken.reading(own, path=path) as events:
        while sum(e["type"] in ("ready", "error") for e in events.seen) < 3:
            await events.next()
        errors = [(e["talk"], e["error"]) for e in events.seen if e["type"] == "error"]
        assert errors == [(gone, "not_found")]
        await mari.http.delete(f"/talks/{shared}/members/{ken.id}")
        await events.until("member.left")
        await ken.http.post(f"/talks/{own}/messages", json={"text": "まだいる"})
        assert (await events.until("utterance.final"))["talk"] == own
        await ken.http.delete(f"/talks/{own}")
        await events.rest()  # none is left
    assert not any(e.get("talk") == gone and "seq" in e for e in events.seen)


async def test_a_link_that_is_revoked_while_it_is_followed_lets_nobody_in(
    database: Database, mari: Guest, ken: Guest
) -> None:
    talk = await mari.new_talk()
    made = await invited(mari, talk)
    async with database.transaction() as connection:
        await queries.lock_talk(connection, talk=talk)
        accepting = asyncio.create_task(accepts(ken, made["code"]))
        async with database.connection() as looking:
            while not await looking.fetchval(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
            ):
                pass
        await queries.delete_invite(connection, talk=talk, id=made["id"])
    assert await accepting == 404
