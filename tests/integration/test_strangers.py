"""Every route, by somebody else: nothing of another's talk comes out, and nothing goes in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.asyncio.client import connect

from kaiwa.domain.ids import UserId
from kaiwa.domain.talk import User
from kaiwa.web.application import create_application
from tests.integration.house import L16, Guest, House, house
from tests.sounds import speech

WORDS = "ないしょ"
PUBLIC = {"/healthz", "/readyz", "/metrics"}
OF_NO_TALK = {
    *("/auth/register", "/auth/login", "/auth/code", "/auth/refresh", "/auth/password"),
    *("/auth/logout", "/auth/me", "/talks", "/talks/import", "/search", "/voices", "/models"),
    *("/invites/accept", "/voices/{voice_id}/sample"),
    *("/models/pull", "/models/speech", "/models/try/speech", "/models/try/chat"),
    *("/auth/sessions", "/auth/sessions/{session_id}"),
}
BODIES: Mapping[tuple[str, str], Any] = {
    ("patch", "/talks/{talk_id}"): {"title": "mine"},
    ("post", "/talks/{talk_id}/members"): {"name": "Ken", "role": "owner"},
    ("post", "/talks/{talk_id}/invites"): {},
    ("post", "/talks/{talk_id}/messages"): {"text": "x"},
    ("patch", "/talks/{talk_id}/utterances/{utterance_id}"): {"text": "x"},
    ("post", "/talks/{talk_id}/heard"): {
        **{"listener": "abcdefgh", "reply_id": "r", "clause": 0},
        "ms": 0,
    },
    ("delete", "/talks/{talk_id}/reply"): {"reply_id": "r"},
}


@dataclass
class Scene:
    """A talk of Mari's with everything in it, and Ken, who is not."""

    home: House
    mari: Guest
    ken: Guest
    ids: Mapping[str, str]
    before: list[dict[str, Any]]


@asynccontextmanager
async def scene(database_url: str) -> AsyncIterator[Scene]:
    async with (
        house(database_url) as home,
        home.guest("まり") as mari,
        home.guest("Ken") as ken,
    ):
        talk = await mari.new_talk(title=WORDS)
        await mari.http.post(f"/talks/{talk}/messages", json={"text": WORDS})
        home.chat.replies = [[f"{WORDS}です。"]]
        async with mari.reading(talk) as events:
            await mari.http.post(f"/talks/{talk}/reply")
            clause = await events.until("reply.clause")
            await events.until("reply.finished")
        await mari.http.post(
            f"/talks/{talk}/stream?capture=capture-1",
            content=b"\0" * 3200,
            headers={"content-type": L16},
        )
        await mari.http.patch(f"/talks/{talk}", json={"recording": True})
        heard = (await mari.speak(talk, speech(600, 900))).json()
        invite = (await mari.http.post(f"/talks/{talk}/invites")).json()
        ids = {
            "talk_id": talk,
            "participant": mari.id,
            "utterance_id": heard["utterances"][0]["utterance_id"],
            "clip": clause["clip"],
            "capture": "capture-1",
            "invite_id": invite["id"],
        }
        yield Scene(home, mari, ken, ids, await mari.events(talk))


def routes() -> list[tuple[str, str]]:
    """What the server itself says that it answers."""
    services: Any = object()
    paths = create_application(services).openapi()["paths"]
    return [(method, path) for path, methods in paths.items() for method in methods]


def test_every_route_is_known_to_this_test() -> None:
    for _, path in routes():
        of_a_talk = path.startswith("/talks/{talk_id}") or path == "/stream"
        assert of_a_talk or path in OF_NO_TALK | PUBLIC, f"{path}: who may?"


async def test_another_users_token_opens_nothing(database_url: str) -> None:
    async with scene(database_url) as at:
        for method, path in [*routes(), ("put", "/talks/{talk_id}/stream")]:
            if path in OF_NO_TALK | PUBLIC:
                continue
            url = path.format(**at.ids)
            if path == "/stream":
                url = f"/stream?after={at.ids['talk_id']}:0"
            given: dict[str, Any] = {"json": BODIES.get((method, path))}
            if path.endswith("/stream") and method in ("post", "put"):
                given = {"content": b"\0" * 3200, "headers": {"content-type": L16}}
            answer = await at.ken.http.request(method, url, **given)
            assert answer.status_code == 404, (method, path, answer.text)
            assert WORDS not in answer.text
            async with at.home.client() as nobody:
                answer = await nobody.request(method, url, **given)
                assert answer.status_code == 401, (method, path)
        for path in OF_NO_TALK - {"/auth/logout"}:
            answer = await at.ken.http.get(path, params={"q": WORDS})
            assert WORDS not in answer.text, path
        async with at.home.client() as nobody:
            for path in (
                "/talks",
                "/search",
                "/voices",
                "/models",
                "/models/pull",
                "/auth/me",
                "/auth/sessions",
            ):
                answer = await nobody.get(path, params={"q": WORDS})
                assert answer.status_code == 401, path
            for path in ("/talks", "/talks/import", "/invites/accept", "/auth/password"):
                answer = await nobody.post(path, json={"code": "x", "new": "battery staple"})
                assert answer.status_code == 401, path
            for path in ("/models/pull", "/models/try/speech", "/models/try/chat"):
                wanted = {"use": "turn", "name": "x", "text": "x"}
                assert (await nobody.post(path, json=wanted)).status_code == 401, path
            change = await nobody.put("/models/speech", json={"name": "x"})
            assert change.status_code == 401
            for path in ("/models/pull", "/auth/sessions", "/auth/sessions/x"):
                assert (await nobody.delete(path)).status_code == 401, path
        assert await at.mari.events(at.ids["talk_id"]) == at.before, "nothing went in"


async def test_sound_is_for_members(database_url: str) -> None:
    async with scene(database_url) as at:
        talk, utterance = at.ids["talk_id"], at.ids["utterance_id"]
        path = f"/talks/{talk}/utterances/{utterance}/sound"
        assert (await at.mari.http.get(path)).content.startswith(b"RIFF")
        own = await at.ken.new_talk()
        assert (await at.ken.http.get(path.replace(talk, own))).status_code == 404
        await at.mari.http.post(f"/talks/{talk}/members", json={"name": "Ken", "role": "listener"})
        assert (await at.ken.http.get(path)).status_code == 200
        await at.mari.http.delete(f"/talks/{talk}/members/{at.ken.id}")
        assert (await at.ken.http.get(path)).status_code == 404


async def test_a_listener_changes_nothing(database_url: str) -> None:
    async with scene(database_url) as at:
        member = {"name": "Ken", "role": "listener"}
        talk = at.ids["talk_id"]
        await at.mari.http.post(f"/talks/{talk}/members", json=member)
        before = await at.mari.events(talk)
        for method, path in routes():
            harmless = method in ("get", "head") or path.endswith(("/heard", "/archive"))
            if not path.startswith("/talks/{talk_id}") or harmless:
                continue
            given: dict[str, Any] = {"json": BODIES.get((method, path))}
            if path.endswith("/stream"):
                given = {"content": b"\0" * 3200, "headers": {"content-type": L16}}
            answer = await at.ken.http.request(method, path.format(**at.ids), **given)
            assert answer.status_code == 403, (method, path, answer.text)
        assert (await at.ken.http.get(f"/talks/{talk}/invites")).status_code == 403
        assert await at.mari.events(talk) == before


@pytest.mark.parametrize("who", ["ken", "nobody"])
async def test_a_websocket_of_a_stranger_is_refused(database_url: str, who: str) -> None:
    async with scene(database_url) as at:
        url = f"{at.home.url.replace('http', 'ws')}/talks/{at.ids['talk_id']}/stream?type={L16}"
        headers = {"authorization": at.ken.http.headers["authorization"]} if who == "ken" else {}
        async with connect(url, additional_headers=headers) as socket:
            answer = json.loads(await socket.recv())
        assert answer["error"]["code"] == ("not_found" if who == "ken" else "not_signed_in")


async def test_a_cookie_from_another_page_sends_no_sound_and_no_request(database_url: str) -> None:
    async with scene(database_url) as at:
        site = at.home.services.site
        user = User(id=UserId(at.mari.id), name=at.mari.name)
        cookie = (await at.home.services.sessions.begin(user)).refresh
        headers = {"cookie": f"{site.cookie_name}={cookie}"}
        url = f"/talks/{at.ids['talk_id']}/stream"
        for origin in (None, "https://evil.example", "http://127.0.0.1:1", "null"):
            given = headers | ({} if origin is None else {"origin": origin})
            async with at.home.client() as http:
                for method, path in (
                    *(("POST", url), ("PUT", url), ("DELETE", f"/talks/{at.ids['talk_id']}")),
                    *(("POST", "/auth/logout"), ("POST", "/auth/password")),
                ):
                    answer = await http.request(
                        *(method, path),
                        content=b'{"new": "battery staple"}',
                        headers={**given, "content-type": "application/json"},
                    )
                    assert answer.status_code == 403, (method, path, origin)
            socket_url = f"{at.home.url.replace('http', 'ws')}{url}?type={L16}"
            async with connect(socket_url, additional_headers=given) as socket:
                assert json.loads(await socket.recv())["error"]["code"] == "forbidden"
        own = {**headers, "origin": at.home.url}
        async with at.home.client() as http:
            answer = await http.post(
                url, content=b"\0" * 3200, headers={**own, "content-type": L16}
            )
            assert answer.status_code == 200
        async with connect(socket_url, additional_headers=own) as socket:
            await socket.send('{"type": "end"}')
            assert json.loads(await socket.recv())["type"] == "result"
        assert await at.mari.events(at.ids["talk_id"]) == at.before


async def test_every_answer_carries_the_security_headers(database_url: str) -> None:
    async with house(database_url) as home, home.client() as http:
        assert (await http.get("/talks/")).status_code == 404, "no redirect to plain HTTP"
        for path in ("/", "/talks", "/nothing", "/static/js/main.js", "/openapi.json", "/auth/me"):
            headers = (await http.get(path)).headers
            policy = headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self';"), path
            for nothing in ("object-src", "base-uri", "frame-ancestors"):
                assert f"{nothing} 'none'" in policy
            assert "unsafe" not in policy and "blob:" not in policy and "data:" not in policy
            assert headers["cache-control"] == ("no-cache" if path == "/" else "no-store"), path
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-resource-policy"] == "same-origin"
        page = (await http.get("/")).text
    assert "<script>" not in page and "onclick" not in page and "<style" not in page
