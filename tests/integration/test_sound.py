"""Sound up: what is said becomes text while it is said, and stays whatever happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from kaiwa.domain.ids import UserId, new_id
from kaiwa.domain.talk import User
from kaiwa.pipeline import captures
from tests.integration.house import L16, WAIT_S, Guest, House
from tests.sounds import packed, silence, speech

TWO_UTTERANCES = speech(600, 900, 1_100, 900)


def open_socket(home: House, guest: Guest, talk: str, query: str = "") -> connect:
    url = home.url.replace("http", "ws", 1)
    return connect(
        f"{url}/talks/{talk}/stream?type={L16}{query}",
        additional_headers={"authorization": guest.http.headers["authorization"]},
    )


async def last_message(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await socket.recv())
    return message


async def test_an_upload_becomes_utterances(mari: Guest) -> None:
    talk = await mari.new_talk()
    answer = await mari.speak(talk, TWO_UTTERANCES, capture="capture-1")
    assert answer.status_code == 200
    heard = answer.json()
    assert (heard["capture"], heard["duration_ms"]) == ("capture-1", 3_500)
    finals = [e for e in await mari.events(talk) if e["type"] == "utterance.final"]
    assert [e["text"] for e in finals] == [u["text"] for u in heard["utterances"]]
    assert [e["utterance_id"] for e in finals] == ["capture-1-1", "capture-1-2"]
    assert [e["seq"] for e in await mari.events(talk)] == [1, 2, 3]
    first, second = finals
    assert (first["participant"], first["name"], first["language"]) == (mari.id, "まり", "ja")
    assert 1_000 < second["started_ms"] - first["started_ms"] < 2_000


async def test_words_appear_before_the_upload_ends(mari: Guest) -> None:
    talk = await mari.new_talk()
    shown = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield speech(1_500).tobytes()
        await shown.wait()
        yield silence(900).tobytes()

    async with mari.reading(talk) as events, asyncio.TaskGroup() as tasks:
        await events.until("ready")
        tasks.create_task(
            mari.http.post(f"/talks/{talk}/stream", content=body(), headers={"content-type": L16})
        )
        started = await events.until("speech.started")
        partial = await events.until("utterance.partial")
        assert partial["capture"] == started["capture"]
        assert partial["stable"] + partial["tentative"]
        shown.set()
        final = await events.until("utterance.final")
        assert final["utterance_id"] == partial["utterance_id"]
        assert (await events.until("capture.durable"))["offset"] > 0


CONTAINERS = [
    ("audio/webm;codecs=opus", "webm", "libopus"),
    ("audio/ogg", "ogg", "libopus"),
    ("audio/wav", "wav", "pcm_s16le"),
]


@pytest.mark.parametrize(("media_type", "form", "codec"), CONTAINERS)
async def test_containers_are_decoded(mari: Guest, media_type: str, form: str, codec: str) -> None:
    talk = await mari.new_talk()
    answer = await mari.http.post(
        f"/talks/{talk}/stream",
        content=packed(TWO_UTTERANCES, form, codec),
        headers={"content-type": media_type},
    )
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["utterances"]) == 2
    assert abs(answer.json()["duration_ms"] - 3_500) < 50


@pytest.mark.parametrize(("media_type", "form", "codec"), CONTAINERS)
async def test_curl_sends_a_file_with_put_and_names_no_type(
    mari: Guest, media_type: str, form: str, codec: str
) -> None:
    talk = await mari.new_talk()
    data = packed(TWO_UTTERANCES, form, codec)

    async def body() -> AsyncIterator[bytes]:
        yield data[:5]  # less than what tells a container
        yield data[5:]

    answer = await mari.http.put(f"/talks/{talk}/stream", content=body())
    assert len(answer.json()["utterances"]) == 2


@pytest.mark.parametrize("media_type", ["", "text/plain", "audio/mpeg", "audio/L16;rate=8000"])
async def test_what_is_not_on_the_list_is_a_415(mari: Guest, media_type: str) -> None:
    talk = await mari.new_talk()
    answer = await mari.http.post(
        f"/talks/{talk}/stream", content=b"x", headers={"content-type": media_type}
    )
    assert answer.status_code == 415
    assert "audio/webm" in answer.json()["error"]["message"]


async def test_a_broken_container_is_a_422_and_what_was_heard_stays(mari: Guest) -> None:
    talk = await mari.new_talk()
    good = packed(TWO_UTTERANCES, "ogg", "libopus")
    answer = await mari.http.post(
        f"/talks/{talk}/stream",
        content=good[: len(good) // 2] + b"\x00garbage" * 2_000,
        headers={"content-type": "audio/ogg"},
    )
    kept = [e for e in await mari.events(talk) if e["type"] == "utterance.final"]
    assert kept
    assert answer.status_code in (200, 422)
    nothing = await mari.http.post(
        f"/talks/{talk}/stream", content=b"RIFFx" * 99, headers={"content-type": "audio/webm"}
    )
    assert nothing.status_code == 422
    assert nothing.json()["error"]["code"] == "broken_audio"


async def test_a_websocket_carries_the_same(home: House, mari: Guest) -> None:
    talk = await mari.new_talk()
    async with open_socket(home, mari, talk, "&capture=by-socket") as socket:
        data = TWO_UTTERANCES.tobytes()
        for start in range(0, len(data), 3_333):  # odd: a sample may be cut in two
            await socket.send(data[start : start + 3_333])
        await socket.send(json.dumps({"type": "end"}))
        result = await last_message(socket)
    assert result["type"] == "result"
    assert [u["utterance_id"] for u in result["utterances"]] == ["by-socket-1", "by-socket-2"]


async def test_a_websocket_says_what_is_wrong(home: House, mari: Guest) -> None:
    talk = await mari.new_talk()
    async with open_socket(home, mari, talk, "&capture=short") as socket:
        error = await last_message(socket)
    assert (error["type"], error["error"]["code"]) == ("error", "bad_request")


async def test_a_websocket_of_another_page_is_refused(home: House, mari: Guest) -> None:
    talk = await mari.new_talk()
    user = User(id=UserId(mari.id), name=mari.name)
    token = (await home.services.sessions.begin(user)).refresh
    url = home.url.replace("http", "ws", 1)
    async with connect(
        f"{url}/talks/{talk}/stream?type={L16}",
        origin="https://evil.example",  # type: ignore[arg-type]
        additional_headers={"cookie": f"{home.services.site.cookie_name}={token}"},
    ) as socket:
        error = await last_message(socket)
    assert error["error"]["code"] == "forbidden"


async def test_a_dropped_websocket_is_resumed_without_loss_or_repetition(
    home: House, mari: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captures, "RESUME_S", 3_600)  # it is resumed, whenever that is
    talk, capture = await mari.new_talk(), new_id()
    sound = speech(600, 900, 1_100, 900, 700, 900)
    async with mari.reading(talk) as events:
        async with open_socket(home, mari, talk, f"&capture={capture}") as socket:
            await socket.send(sound[:32_000].tobytes())  # into the second utterance
            durable = await events.until("capture.durable")
            socket.transport.abort()  # the network is gone, without a word
        head = await mari.http.head(f"/talks/{talk}/captures/{capture}")
        offset = int(head.headers["upload-offset"])
        assert durable["offset"] <= offset < 32_000
        before = offset - 1_000  # a page that knows less sends more: it is skipped
        answer = await mari.speak(talk, sound[before:], capture=capture, offset=before)
    assert answer.status_code == 200
    finals = [e for e in await mari.events(talk) if e["type"] == "utterance.final"]
    assert [e["utterance_id"] for e in finals] == [f"{capture}-{n}" for n in (1, 2, 3)]
    whole = await mari.speak(await mari.new_talk(), sound)
    assert [e["text"] for e in finals] == [u["text"] for u in whole.json()["utterances"]]


async def test_samples_that_the_server_has_not_got_are_a_409(mari: Guest) -> None:
    talk = await mari.new_talk()
    answer = await mari.speak(talk, speech(500), capture="capture-1", offset=16_000)
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "offset_conflict"


async def test_a_capture_belongs_to_one_participant(mari: Guest, ken: Guest) -> None:
    await mari.speak(await mari.new_talk(), speech(500, 900), capture="capture-1")
    answer = await ken.speak(await ken.new_talk(), speech(500, 900), capture="capture-1")
    assert answer.status_code == 409


async def test_a_newer_capture_takes_over_and_the_older_is_stored(home: House, mari: Guest) -> None:
    talk = await mari.new_talk()
    async with mari.reading(talk) as events, open_socket(home, mari, talk) as older:
        await older.send(speech(1_000).tobytes())
        await events.until("speech.started")
        await mari.speak(talk, speech(600, 900))
        error = await last_message(older)
    assert error["error"]["code"] == "taken_over"
    finals = [e for e in await mari.events(talk) if e["type"] == "utterance.final"]
    assert len(finals) == 2


async def test_silence_is_no_utterance(mari: Guest) -> None:
    talk = await mari.new_talk()
    answer = await mari.speak(talk, silence(12_000), capture="capture-1")
    assert answer.json()["utterances"] == []
    head = await mari.http.head(f"/talks/{talk}/captures/capture-1")
    assert int(head.headers["upload-offset"]) > 11 * 16_000
    assert [e["type"] for e in await mari.events(talk)] == ["member.joined"]


async def test_a_recogniser_that_is_away_is_a_503(home: House, mari: Guest) -> None:
    talk = await mari.new_talk()
    home.recogniser.down = "the recogniser is away"
    answer = await mari.speak(talk, TWO_UTTERANCES)
    assert answer.status_code == 503
    assert answer.json()["error"] == {
        "code": "recogniser_down",
        "message": "the recogniser is away",
        "retryable": True,
    }


async def test_a_browser_that_leaves_leaves_nothing_running(home: House, mari: Guest) -> None:
    talk = await mari.new_talk()
    webm = packed(speech(3_000, 900), "webm", "libopus")

    async def half() -> AsyncIterator[bytes]:
        yield webm[: len(webm) // 2]
        await leave.wait()
        raise ConnectionError("the browser is gone")

    leave = asyncio.Event()
    async with mari.reading(talk) as events:

        async def upload() -> None:
            with pytest.raises(ConnectionError):
                await mari.http.post(
                    f"/talks/{talk}/stream",
                    content=half(),
                    headers={"content-type": "audio/webm"},
                )

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(upload())
            await events.until("speech.started")
            leave.set()
        final = await events.until("utterance.final")
    assert final["text"]
    async with asyncio.timeout(WAIT_S):
        await home.services.captures.shut_down()
    assert home.recogniser.open_segments == 0
