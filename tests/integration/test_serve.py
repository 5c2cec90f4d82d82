"""`kaiwa serve` itself, with its real engines, through the wire protocol alone."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from kaiwa.domain.audio import Samples
from tests.fakes.speech import english, japanese
from tests.integration.house import L16, EventReader
from tests.ports import free_port
from tests.sounds import packed

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

LOADING_S = 240.0
BLOCK = 1_600  # 100 ms
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


async def kaiwa(*arguments: str) -> tuple[int, str, str]:
    """Run a command to its end: exit status, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "kaiwa",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LOADING_S):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@dataclass
class Served:
    """A running `kaiwa serve`."""

    process: asyncio.subprocess.Process
    data: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            return await self.process.wait()


@asynccontextmanager
async def serving(data: Path, port: int) -> AsyncIterator[Served]:
    with (data.parent / "serve.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "kaiwa",
            "serve",
            "--no-open",
            f"--data={data}",
            f"--port={port}",
            stderr=log,
        )
    served = Served(process, data, port)
    try:
        await _until_ready(served)
        yield served
        if process.returncode is None:
            assert await served.stop() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _until_ready(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.url) as http, asyncio.timeout(LOADING_S):
        while True:
            assert served.process.returncode is None, "kaiwa serve ended early"
            try:
                if (await http.get("/readyz", timeout=10)).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.2)


@pytest.fixture
def data() -> Any:
    with tempfile.TemporaryDirectory(prefix="kaiwa-serve-") as folder:
        yield Path(folder) / "data"


@pytest.fixture
def port() -> int:
    return free_port()


@asynccontextmanager
async def client(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """A program that signs in as the README says."""
    status, token, _ = await kaiwa("token", f"--data={served.data}", "--user=mari", "--create")
    assert status == 0
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", token), "a JWT and nothing else"
    async with httpx.AsyncClient(
        base_url=served.url, headers={"authorization": f"Bearer {token.strip()}"}, timeout=120
    ) as http:
        yield http


async def live(samples: Samples) -> AsyncIterator[bytes]:
    """The sound as a microphone would give it, in real time."""
    clock = asyncio.get_running_loop().time
    began = clock()
    for start in range(0, len(samples), BLOCK):
        yield samples[start : start + BLOCK].tobytes()
        await asyncio.sleep(max(0.0, began + (start + BLOCK) / 16_000 - clock()))


async def live_webm(samples: Samples) -> AsyncIterator[bytes]:
    """The same in a container, in pieces of a recorder's size."""
    data = packed(samples, "webm", "libopus")
    pieces = max(1, len(samples) // BLOCK)
    for n in range(pieces):
        yield data[len(data) * n // pieces : len(data) * (n + 1) // pieces]
        await asyncio.sleep(0.1)


async def test_the_main_job_over_the_wire(data: Path, port: int) -> None:
    async with serving(data, port) as served, client(served) as http:
        talk = (await http.post("/talks", json={"title": "朝", "language": "ja"})).json()["id"]
        async with http.stream("GET", f"/talks/{talk}/stream") as response:
            events = EventReader(response, LOADING_S)
            await events.until("ready")

            shown = asyncio.Event()

            async def speaking() -> AsyncIterator[bytes]:
                while not shown.is_set():
                    async for block in live(japanese("今日はいい天気ですね。散歩に行きましょう。")):
                        yield block

            async with asyncio.TaskGroup() as tasks:
                upload = tasks.create_task(
                    http.post(
                        f"/talks/{talk}/stream",
                        content=speaking(),
                        headers={"content-type": L16},
                    )
                )
                partial = await events.until("utterance.partial")
                assert not upload.done(), "words appear while they are spoken"
                shown.set()
                assert JAPANESE.search(partial["stable"] + partial["tentative"])
            assert upload.result().status_code == 200
            said = upload.result().json()["utterances"]
            assert "天気" in "".join(u["text"] for u in said)

            answer = await http.post(
                f"/talks/{talk}/stream",
                content=live_webm(japanese("明日はどうですか。")),
                headers={"content-type": "audio/webm;codecs=opus"},
            )
            assert "明日" in answer.json()["utterances"][0]["text"]

            asked = (await http.post(f"/talks/{talk}/reply")).json()["reply_id"]
            finished = await events.until("reply.finished")
            assert (finished["reply_id"], finished["status"]) == (asked, "complete")
            assert JAPANESE.search(finished["text"])
            clips = [e["clip"] for e in events.seen if e["type"] == "reply.clause" and e["clip"]]
            assert clips
            sound = await http.get(f"/talks/{talk}/clips/{clips[0]}")
            assert sound.content.startswith(b"RIFF")
        before = (await http.get(f"/talks/{talk}/events")).json()
        assert [e["seq"] for e in before["events"]] == list(range(1, before["seq"] + 1))

    async with serving(data, port) as served, client(served) as http:
        assert (await http.get(f"/talks/{talk}/events")).json() == before


async def test_english_is_heard_and_answered_in_english(data: Path, port: int) -> None:
    async with serving(data, port) as served, client(served) as http:
        talk = (await http.post("/talks", json={"language": "en"})).json()["id"]
        answer = await http.post(
            f"/talks/{talk}/stream",
            content=live(english("What is the capital of France?")),
            headers={"content-type": L16},
        )
        assert "France" in answer.json()["utterances"][0]["text"]
        async with http.stream("GET", f"/talks/{talk}/stream") as response:
            await http.post(f"/talks/{talk}/reply")
            finished = await EventReader(response, LOADING_S).until("reply.finished")
        assert "Paris" in finished["text"]


async def test_a_second_serve_on_the_same_folder_says_so_and_stops(data: Path, port: int) -> None:
    async with serving(data, port):
        status, _, err = await kaiwa("serve", "--no-open", f"--data={data}", "--port=1024")
        assert status == 1
        assert err.count("\n") == 1
        assert "another kaiwa serve is running" in err


async def test_the_one_time_code_is_for_this_user_only(data: Path, port: int) -> None:
    async with serving(data, port) as served:
        door = data / "open.html"
        assert door.stat().st_mode & 0o777 == 0o600
        code = re.search(r"#code=([\w-]+)", door.read_text())
        assert code is not None
        async with httpx.AsyncClient(base_url=served.url) as http:
            answer = await http.post("/auth/code", json={"code": code[1]})
            assert answer.status_code == 200
            assert json.loads(answer.text)["user"]["name"]


async def test_a_browser_that_stopped_reading_does_not_hold_up_the_end(
    data: Path, port: int
) -> None:
    async with serving(data, port) as served, client(served) as http:
        talk = (await http.post("/talks", json={})).json()["id"]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        token = http.headers["authorization"]
        request = f"GET /talks/{talk}/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        writer.write(f"{request}Authorization: {token}\r\n\r\n".encode())
        assert b"200" in await reader.readline()
        for _ in range(100):
            await http.post(f"/talks/{talk}/messages", json={"text": "あ" * 8_000})
        assert await served.stop() == 0
        writer.close()
