"""Input that no honest page sends gets a clear error, and everyone else goes on."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import numpy as np
import pytest
from websockets.asyncio.client import connect

from kaiwa.web import application
from kaiwa.web.application import MAX_BODY
from tests.integration.house import L16, Guest, House
from tests.sounds import silence, tone

NUL = [
    ("POST", "/talks", {"title": "a\x00b"}),
    ("PATCH", "/talks/{talk}", {"instructions": "\x00"}),
    ("POST", "/talks/{talk}/messages", {"text": "a\x00b"}),
    ("POST", "/talks/{talk}/members", {"name": "\x00"}),
    ("GET", "/talks/%00", None),
    ("GET", "/talks/{talk}/clips/%00", None),
    ("GET", "/search?q=%00", None),
    ("GET", "/stream?after=%00:1", None),
]


@pytest.mark.parametrize(("method", "path", "body"), NUL)
async def test_a_nul_is_the_senders_fault(
    mari: Guest, method: str, path: str, body: dict[str, str] | None
) -> None:
    talk = await mari.new_talk()
    answer = await mari.http.request(method, path.format(talk=talk), json=body)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"]["retryable"] is False


@pytest.mark.parametrize("body", [r'{"text": "\ud800"}', "[" * 100_000, "{", "7", '{"text": 7}'])
async def test_json_that_is_none_is_the_senders_fault(mari: Guest, body: str) -> None:
    talk = await mari.new_talk()
    answer = await mari.http.post(
        f"/talks/{talk}/messages", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"]["code"] == "bad_request"


@pytest.mark.parametrize("talk", ["{talk}", "\xff"])
async def test_bytes_that_are_no_text_are_the_senders_fault(mari: Guest, talk: str) -> None:
    path = f"/talks/{talk.format(talk=await mari.new_talk())}/messages"
    answer = await mari.http.post(
        path.encode("latin-1").decode("latin-1").replace("\xff", "%ff"),
        content=b'{"text": "\xff\xfe"}',
        headers={"content-type": "application/json"},
    )
    assert answer.status_code in (400, 404, 422), answer.text
    searched = await mari.http.get("/search?q=%ff%fe")
    assert searched.status_code in (200, 400, 422)
    named = await mari.http.get("/talks", headers=[(b"idempotency-key", b"\xff\xfe")])
    assert named.status_code in (200, 400, 422)


async def test_a_title_of_a_megabyte_is_the_senders_fault(mari: Guest) -> None:
    for title, status in (("x" * 1_000_000, 413), ("x" * 10_000, 422)):
        answer = await mari.http.post("/talks", json={"title": title})
        assert answer.status_code == status, answer.text
    assert (await mari.http.get("/talks")).json()["talks"] == []


async def test_a_key_that_cannot_be_written_is_the_senders_fault(mari: Guest) -> None:
    answer = await mari.http.post(
        "/talks", content=r'{"\ud800": "x"}', headers={"content-type": "application/json"}
    )
    assert answer.status_code in (400, 422), answer.text


@pytest.mark.parametrize("after", [10**18, 10**19, 10**30, -1])
async def test_a_cursor_may_be_any_number(mari: Guest, after: int) -> None:
    talk = await mari.new_talk()
    answer = await mari.http.get(f"/talks/{talk}/events", params={"after": after})
    assert answer.status_code == (200 if 0 <= after < 2**63 else 422 if after < 0 else 400)
    streams = await mari.http.get(f"/stream?after={talk}:{after}9")
    assert streams.status_code == 400
    headers = {"last-event-id": "9" * 5_000}
    async with mari.http.stream("GET", f"/talks/{talk}/stream", headers=headers) as response:
        assert response.status_code == 200


async def test_giant_json_is_not_read_to_its_end(mari: Guest) -> None:
    talk = await mari.new_talk()
    answer = await mari.http.post(f"/talks/{talk}/messages", json={"text": "x" * MAX_BODY})
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_much"
    said = await mari.http.post(f"/talks/{talk}/messages", json={"text": "はい"})
    assert said.status_code == 201


@pytest.mark.parametrize("authorization", [None, "Basic " + base64.b64encode(b"a:b").decode()])
async def test_a_strange_page_does_not_speak_with_our_cookie(
    home: House, mari: Guest, authorization: str | None
) -> None:
    """A page can make a browser send Basic, by a user in the WebSocket's address."""
    talk = await mari.new_talk()
    token = mari.http.headers["authorization"].removeprefix("Bearer ")
    headers = {"cookie": f"{home.services.site.cookie_name}={token}"}
    if authorization:
        headers["authorization"] = authorization
    url = home.url.replace("http", "ws", 1)
    async with connect(
        f"{url}/talks/{talk}/stream?type={L16}",
        origin="https://evil.example",  # type: ignore[arg-type]
        additional_headers=headers,
    ) as socket:
        error = json.loads(await socket.recv())
    assert error["error"]["code"] == "forbidden"


async def test_a_capture_of_another_talk_is_not_there(mari: Guest, ken: Guest) -> None:
    mine, other = await mari.new_talk(), await mari.new_talk()
    sound = b"\x00" * 32_000
    for guest, talk, status in ((mari, mine, 200), (mari, other, 409)):
        answer = await guest.http.post(
            f"/talks/{talk}/stream?capture=capture-1", content=sound, headers={"content-type": L16}
        )
        assert answer.status_code == status
    assert (await mari.http.head(f"/talks/{mine}/captures/capture-1")).status_code == 200
    assert (await mari.http.head(f"/talks/{other}/captures/capture-1")).status_code == 404


@pytest.mark.parametrize("path", ["/talks/stream", "/talks/x/utterances/stream"])
async def test_only_an_upload_may_be_large(home: House, path: str) -> None:
    async with home.client() as http:
        answer = await http.patch(path, content=b" " * 400_000)
    assert answer.status_code == 413


async def test_hundreds_of_connections_that_say_nothing_shut_nobody_out(
    home: House, mari: Guest
) -> None:
    """The HTTP server by itself would hold 128, and let the rest wait."""
    host, port = home.url.removeprefix("http://").split(":")
    writers = []
    try:
        for _ in range(400):
            _, writer = await asyncio.open_connection(host, int(port))
            writers.append(writer)
        async with home.client() as http:
            assert (await http.get("/healthz")).status_code == 200
        assert await mari.new_talk()
    finally:
        for writer in writers:
            writer.close()


@pytest.mark.parametrize("pause_s", [3600, 0.05], ids=["half", "dripping"])
async def test_a_body_that_does_not_come_is_not_waited_for(
    home: House, monkeypatch: pytest.MonkeyPatch, pause_s: float
) -> None:
    monkeypatch.setattr(application, "BODY_S", 0.5)
    host, port = home.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100000\r\n\r\n{"
    )

    async def drip() -> None:
        while True:
            await asyncio.sleep(pause_s)
            writer.write(b" ")

    dripping = asyncio.create_task(drip())
    answer = await reader.readuntil(b"}}")
    dripping.cancel()
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"stream_stalled"' in answer and b'"retryable":true' in answer
    writer.close()


async def test_a_listener_who_promised_a_body_is_no_fault_of_ours(
    home: House, mari: Guest, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "BODY_S", 0.5)
    talk = await mari.new_talk()
    host, port = home.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    bearer = mari.http.headers["authorization"]
    writer.write(
        f"GET /talks/{talk}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {bearer}\r\n"
        "Connection: close\r\nContent-Length: 9\r\n\r\n".encode()
    )
    assert b"event: ready" in await reader.read()  # to its end
    assert "request_crashed" not in written.getvalue()
    writer.close()


async def test_a_fault_of_ours_is_an_answer_like_any_other_and_is_logged(
    home: House, mari: Guest, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> None:
        raise ValueError("ひみつ")

    talk = await mari.new_talk()
    monkeypatch.setattr(home.services.talks, "get", crash)
    answer = await mari.http.get(f"/talks/{talk}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "content-security-policy" in answer.headers
    log = written.getvalue()
    assert "request_crashed" in log and "/talks/{talk_id}" in log and "ValueError" in log
    assert "ひみつ" not in log


async def test_many_listeners_of_a_talk_all_hear(mari: Guest) -> None:
    talk = await mari.new_talk()
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(mari.reading(talk)) for _ in range(90)]
        for reader in readers:
            await reader.until("ready")
        await mari.http.post(f"/talks/{talk}/messages", json={"text": "はい"})
        for reader in readers:
            said = await reader.until("utterance.final")
            assert (said["text"], said["talk"]) == ("はい", talk)


@pytest.mark.parametrize("size", [1, 7])
async def test_an_upload_in_tiny_chunks_is_heard_whole(mari: Guest, size: int) -> None:
    talk = await mari.new_talk()
    sound = np.concatenate([tone(300), silence(200)]).tobytes()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(sound), size):
            yield sound[start : start + size]

    answer = await mari.http.post(
        f"/talks/{talk}/stream", content=chunks(), headers={"content-type": L16}, timeout=120
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["duration_ms"] == 500


async def test_sound_faster_than_real_time_is_slowed_and_not_refused(
    home: House, mari: Guest, ken: Guest
) -> None:
    """Three minutes at once: nothing is lost, and the talk next door goes on meanwhile."""
    talk, other = await mari.new_talk(), await ken.new_talk()
    sound = np.tile(np.concatenate([tone(2_000), silence(1_000)]), 60)
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(mari.speak(talk, sound))
        said = await ken.http.post(f"/talks/{other}/messages", json={"text": "はい"})
        assert said.status_code == 201
    answer = sending.result()
    assert answer.status_code == 200, answer.text
    assert answer.json()["duration_ms"] == 180_000
    assert len(answer.json()["utterances"]) == 60
