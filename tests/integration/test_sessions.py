"""Signed in for weeks, out in a moment: tokens, the cookie, and what ends them."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import asyncpg
import httpx
import pytest
from websockets.asyncio.client import connect

from kaiwa.adapters.postgres.accounts import PostgresAccounts
from kaiwa.adapters.postgres.database import Database
from kaiwa.errors import NotSignedIn
from kaiwa.web import attempts
from kaiwa.web.attempts import ACCOUNT_BURST, ADDRESS_BURST, REGISTER_BURST
from kaiwa.web.security import ACCESS_LIFETIME_S
from tests.integration.house import L16, Guest, House, house

WHO = {"name": "まり", "password": "correct horse"}


async def registered(home: House, http: httpx.AsyncClient) -> str:
    """A page's sign-in: its cookie is in the client; returns the access token."""
    answer = await http.post("/auth/register", json=WHO)
    assert answer.status_code == 201, answer.text
    http.headers["origin"] = home.url
    token: str = answer.json()["token"]
    return token


async def grow_old(database_url: str, seconds: int) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "UPDATE sessions SET issued_at = issued_at - $1 * interval '1 second',"
        " used_at = used_at - $1 * interval '1 second'",
        seconds,
    )
    await connection.close()


async def test_a_program_gets_a_short_token_and_renews_it(home: House) -> None:
    async with home.client() as http:
        first = (await http.post("/auth/register", json={**WHO, "bearer": True})).json()
        assert first["expires_in"] == ACCESS_LIFETIME_S
        assert not http.cookies
        again = await http.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
        second = again.json()
        assert again.status_code == 200
        assert second["refresh_token"] != first["refresh_token"]
    async with home.client(second["token"]) as http:
        assert (await http.get("/auth/me")).json() == first["user"]
    async with home.client(second["refresh_token"]) as http:
        assert (await http.get("/auth/me")).status_code == 401


async def test_a_refresh_token_that_comes_again_ends_the_session(
    home: House, database_url: str
) -> None:
    async with home.client() as http:
        first = (await http.post("/auth/register", json={**WHO, "bearer": True})).json()
        old = {"refresh_token": first["refresh_token"]}
        newest = (await http.post("/auth/refresh", json=old)).json()
        lost = (await http.post("/auth/refresh", json=old)).json()  # its answer never came
        for _ in range(2):
            given = {"refresh_token": lost["refresh_token"]}
            lost = (await http.post("/auth/refresh", json=given)).json()
        assert (await http.post("/auth/refresh", json=old)).status_code == 401
        given = {"refresh_token": lost["refresh_token"]}
        assert (await http.post("/auth/refresh", json=given)).status_code == 401
    async with home.client(newest["token"]) as http:
        assert (await http.get("/auth/me")).status_code == 401


async def test_the_cookie_is_replaced_as_it_is_used(home: House, database_url: str) -> None:
    async with home.client() as http:
        await registered(home, http)
        name = home.services.site.cookie_name
        first = http.cookies[name]
        assert "set-cookie" not in (await http.get("/talks")).headers
        await grow_old(database_url, 24 * 3600)
        talk = (await http.post("/talks", json={})).json()["id"]
        second = http.cookies[name]
        assert second != first
        await grow_old(database_url, 24 * 3600)
        async with http.stream("GET", f"/talks/{talk}/stream") as response:
            assert name in response.headers["set-cookie"]
        assert http.cookies[name] != second

        await http.get("/talks")  # the newest is used
        await grow_old(database_url, 3600)
        thief = {"cookie": f"{name}={first}"}
        async with home.client() as other:
            assert (await other.get("/talks", headers=thief)).status_code == 401
        assert (await http.get("/talks")).status_code == 401


async def test_requests_that_race_a_new_cookie_are_let_in(home: House, database_url: str) -> None:
    async with home.client() as http:
        await registered(home, http)
        name = home.services.site.cookie_name
        old = {"cookie": f"{name}={http.cookies[name]}", "origin": home.url}
        await grow_old(database_url, 3600)
        async with home.client() as tab, home.client() as other:
            for client in (tab, other, tab):
                answer = await client.get("/talks", headers=old)
                assert answer.status_code == 200
            for client in (tab, other):  # what each holds is the newest: nothing newer is given
                answer = await client.get("/talks")
                assert answer.status_code == 200
                assert "set-cookie" not in answer.headers


async def test_signing_out_is_for_good(home: House) -> None:
    async with home.client() as http:
        token = await registered(home, http)
        name = home.services.site.cookie_name
        cookie = {"cookie": f"{name}={http.cookies[name]}"}
        assert (await http.post("/auth/logout")).status_code == 204
        assert not http.cookies
    async with home.client() as http:
        assert (await http.get("/auth/me", headers=cookie)).status_code == 401
    async with home.client(token) as http:
        assert (await http.get("/auth/me")).status_code == 401


async def test_a_new_password_ends_every_other_session_and_what_it_has_open(
    home: House,
) -> None:
    async with home.client() as page, home.client() as there:
        await registered(home, page)
        elsewhere = (await there.post("/auth/login", json={**WHO, "bearer": True})).json()
        there.headers["authorization"] = f"Bearer {elsewhere['token']}"
        guest = Guest(there, elsewhere["user"]["id"], "まり")
        talk = await guest.new_talk()
        async with guest.reading(talk) as events:
            await events.until("ready")
            wrong = await page.post(
                "/auth/password", json={"old": "wrong", "new": "battery staple"}
            )
            assert wrong.status_code == 403
            given = {"old": WHO["password"], "new": "better horse"}
            assert (await page.post("/auth/password", json=given)).status_code == 204
            await events.rest()
        assert (await there.get("/auth/me")).status_code == 401
        given = {"refresh_token": elsewhere["refresh_token"]}
        assert (await there.post("/auth/refresh", json=given)).status_code == 401
        assert (await page.get("/auth/me")).status_code == 200
        assert (await page.post("/auth/login", json=WHO)).status_code == 401
        new = {**WHO, "password": "better horse"}
        assert (await page.post("/auth/login", json=new)).status_code == 200


async def test_who_signs_in_while_the_password_changes_is_not_in(database: Database) -> None:
    accounts = PostgresAccounts(database)
    mari = await accounts.register("まり", "the old one")
    async with database.transaction() as changing:
        await changing.execute("UPDATE users SET password_hash = 'new' WHERE id = $1", mari.id)
        late = asyncio.create_task(accounts.begin_session(mari.id, 60, "", "the old one"))
        await asyncio.sleep(0.1)
        assert not late.done()
    with pytest.raises(NotSignedIn, match="changed"):
        await late
    assert await accounts.sessions(mari.id) == []
    assert await accounts.begin_session(mari.id, 60, "", "new")


async def test_a_session_ended_by_another_process_ends_uploads_here(database_url: str) -> None:
    async with house(database_url) as one, house(database_url) as two, one.guest("まり") as mari:
        talk = await mari.new_talk()
        url = f"{one.url.replace('http', 'ws')}/talks/{talk}/stream?type={L16}"
        headers = {"authorization": mari.http.headers["authorization"]}
        async with connect(url, additional_headers=headers) as socket:
            await socket.send(b"\0" * 3200)
            async with two.client(headers["authorization"].removeprefix("Bearer ")) as there:
                assert (await there.post("/auth/logout")).status_code == 204
            answer = json.loads(await socket.recv())
    assert answer["error"]["code"] == "forbidden"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a request takes: no try is given back with time."""
    monkeypatch.setattr(attempts, "time", SimpleNamespace(monotonic=lambda: 0.0))


@pytest.mark.usefixtures("at_once")
async def test_guessing_a_password_is_slowed_down(home: House) -> None:
    async with home.client() as http:
        await http.post("/auth/register", json=WHO)
        wrong = {**WHO, "password": "wrong"}
        answers = [await http.post("/auth/login", json=wrong) for _ in range(ACCOUNT_BURST + 1)]
        assert {answer.status_code for answer in answers[:-1]} == {401}
        assert answers[-1].status_code == 429
        assert answers[-1].json()["error"]["code"] == "too_many_tries"
        assert 0 < int(answers[-1].headers["retry-after"]) <= 30
        assert (await http.post("/auth/login", json=WHO)).status_code == 429


@pytest.mark.usefixtures("at_once")
async def test_one_address_has_so_many_tries_whatever_names_it_tries(home: House) -> None:
    async with home.client() as http:
        statuses = [
            (await http.post("/auth/code", json={"code": str(n)})).status_code
            for n in range(ADDRESS_BURST + 1)
        ]
        assert statuses == [401] * ADDRESS_BURST + [429]


@pytest.mark.usefixtures("at_once")
async def test_one_address_makes_so_many_accounts(home: House) -> None:
    short = {**WHO, "password": "short"}
    async with home.client() as http:
        for _ in range(REGISTER_BURST):
            assert (await http.post("/auth/register", json=short)).status_code == 400
        assert (await http.post("/auth/register", json=WHO)).status_code == 429


@pytest.mark.parametrize("token", ["x", "a.b.c", ""])
async def test_a_refresh_token_that_is_none_is_a_401(home: House, token: str) -> None:
    async with home.client() as http:
        answer = await http.post("/auth/refresh", json={"refresh_token": token})
    assert answer.status_code == 401


async def test_one_signs_out_everywhere_else(home: House) -> None:
    async with home.client() as here, home.client() as there:
        for http in (here, there):
            http.headers["origin"] = home.url
        await here.post("/auth/register", json={"name": "ひなた", "password": "correct horse"})
        await there.post("/auth/login", json={"name": "ひなた", "password": "correct horse"})
        assert (await there.get("/auth/me")).status_code == 200
        assert (await here.delete("/auth/sessions")).status_code == 204
        assert (await there.get("/auth/me")).status_code == 401
        assert (await here.get("/auth/me")).status_code == 200


async def test_one_sees_where_one_is_signed_in_and_signs_out_there(home: House) -> None:
    phone = "Mozilla/5.0 (Android 16; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0"
    async with home.client() as here, home.client() as there, home.guest("Ken") as ken:
        here.headers["user-agent"] = "curl/8.5.0 (with more to say)"
        there.headers["user-agent"] = phone
        await registered(home, here)
        await there.post("/auth/login", json=WHO)
        mine, other = (await here.get("/auth/sessions")).json()["sessions"]
        if other["current"]:
            mine, other = other, mine
        assert (mine["device"], mine["current"]) == ("curl", True)
        assert (other["device"], other["current"]) == ("Firefox, Android", False)
        path = f"/auth/sessions/{other['id']}"
        assert (await ken.http.delete(path)).status_code == 404
        assert (await there.get("/auth/me")).status_code == 200
        assert (await here.delete(path)).status_code == 204
        assert (await there.get("/auth/me")).status_code == 401
        assert len((await here.get("/auth/sessions")).json()["sessions"]) == 1


async def test_to_sign_in_again_ends_the_session_before(home: House) -> None:
    async with home.client() as http:
        token = await registered(home, http)
        assert (await http.post("/auth/login", json=WHO)).status_code == 200
        assert (await http.get("/auth/me")).status_code == 200
    async with home.client(token) as before:
        assert (await before.get("/auth/me")).status_code == 401


async def test_a_session_that_is_always_used_ends_some_day(home: House, database_url: str) -> None:
    async with home.client() as http:
        await registered(home, http)
        connection = await asyncpg.connect(database_url)
        lasts = []
        for days in (29, 29, 29, 29, 29, 29, 5):
            await connection.execute(
                "UPDATE sessions SET began_at = began_at - $1 * interval '1 day',"
                " issued_at = issued_at - $1 * interval '1 day',"
                " expires_at = expires_at - $1 * interval '1 day'",
                days,
            )
            assert (await http.get("/auth/me")).status_code == 200
            left = await connection.fetchval("SELECT expires_at - now() FROM sessions")
            lasts.append(round(left.total_seconds() / 86_400))
        assert lasts == [30, 30, 30, 30, 30, 6, 1]
        await connection.execute("UPDATE sessions SET expires_at = now()")
        await connection.close()
        assert (await http.get("/auth/me")).status_code == 401
