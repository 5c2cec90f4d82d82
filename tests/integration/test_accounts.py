"""Signing in, and what keeps strangers and strange pages out."""

from __future__ import annotations

import pytest

from kaiwa.web.security import login_code_digest, new_login_code
from tests.integration.house import Guest, House

WHO = {"name": "まり", "password": "correct horse"}


async def test_an_account_is_made_used_and_left(home: House) -> None:
    async with home.client() as http:
        made = await http.post("/auth/register", json=WHO)
        assert made.status_code == 201
        assert (await http.get("/auth/me")).json()["name"] == "まり"
        await http.post("/auth/logout", headers={"origin": home.url})
        assert (await http.get("/auth/me")).status_code == 401
        again = await http.post("/auth/login", json=WHO)
        assert again.json()["user"] == made.json()["user"]
    async with home.client(again.json()["token"]) as by_bearer:
        assert (await by_bearer.get("/auth/me")).json() == made.json()["user"]


async def test_the_cookie_is_for_the_page_alone_and_for_this_port(home: House) -> None:
    async with home.client() as http:
        answer = await http.post("/auth/register", json=WHO)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"kaiwa-{home.services.site.port}=")
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie


@pytest.mark.parametrize(
    "given", [{**WHO, "password": "wrong"}, {**WHO, "name": "nobody"}], ids=["password", "name"]
)
async def test_a_wrong_name_and_a_wrong_password_get_one_answer(
    home: House, given: dict[str, str]
) -> None:
    async with home.client() as http:
        await http.post("/auth/register", json=WHO)
        answer = await http.post("/auth/login", json=given)
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == "the name or the password is wrong"


async def test_names_are_taken_once_whatever_their_case(home: House) -> None:
    async with home.client() as http:
        await http.post("/auth/register", json={"name": "Ken", "password": "battery staple"})
        answer = await http.post(
            "/auth/register", json={"name": "ken", "password": "battery staple"}
        )
    assert answer.status_code == 409


async def test_a_short_password_is_refused(home: House) -> None:
    async with home.client() as http:
        answer = await http.post("/auth/register", json={"name": "Ken", "password": "1234567"})
    assert answer.status_code == 400
    assert "8" in answer.json()["error"]["message"]


async def test_a_one_time_code_works_once(home: House) -> None:
    owner = await home.services.accounts.register("owner", None)
    code = new_login_code()
    await home.services.accounts.put_login_code(login_code_digest(code), owner.id, 60)
    async with home.client() as http:
        assert (await http.post("/auth/code", json={"code": code})).status_code == 200
        assert (await http.get("/auth/me")).json()["name"] == "owner"
        assert (await http.post("/auth/code", json={"code": code})).status_code == 401


async def test_an_old_code_does_not_work(home: House) -> None:
    owner = await home.services.accounts.register("owner", None)
    await home.services.accounts.put_login_code(login_code_digest("late"), owner.id, -1)
    async with home.client() as http:
        assert (await http.post("/auth/code", json={"code": "late"})).status_code == 401


@pytest.mark.parametrize("origin", [None, "http://127.0.0.1:1", "https://evil.example"])
async def test_a_cookie_changes_nothing_from_another_page(home: House, origin: str | None) -> None:
    async with home.client() as http:
        await http.post("/auth/register", json=WHO)
        headers = {} if origin is None else {"origin": origin}
        answer = await http.post("/talks", json={}, headers=headers)
        assert answer.status_code == 403
        assert (await http.post("/talks", json={}, headers={"origin": home.url})).status_code == 201


async def test_a_name_that_is_not_this_servers_is_refused(home: House, mari: Guest) -> None:
    answer = await mari.http.get("/talks", headers={"host": "rebound.example"})
    assert answer.status_code == 403
    assert "KAIWA_ALLOWED_HOSTS" in answer.json()["error"]["message"]


@pytest.mark.parametrize("token", ["", "x.y.z", "Bearer"])
async def test_a_bad_token_is_a_clear_401(home: House, token: str) -> None:
    async with home.client() as http:
        answer = await http.get("/talks", headers={"authorization": f"Bearer {token}".strip()})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "not_signed_in"


async def test_answers_carry_the_security_headers(home: House) -> None:
    async with home.client() as http:
        page = await http.get("/")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"


async def test_the_machines_owner_is_one_account_that_no_guest_can_be(home: House) -> None:
    accounts = home.services.accounts
    async with home.client() as http:
        await http.post("/auth/register", json={"name": "root", "password": "battery staple"})
    owner = await accounts.machine_owner("root")
    assert owner.name.startswith("root@")
    assert await accounts.machine_owner("root") == owner
    assert await accounts.machine_owner("somebody") == owner


async def test_an_account_without_a_password_was_made_here_and_is_the_owners(home: House) -> None:
    made = await home.services.accounts.register("mari", None)
    assert await home.services.accounts.machine_owner("Mari") == made
