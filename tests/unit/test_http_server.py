"""The HTTP server under the application, with an application that only answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from kaiwa import http_server
from kaiwa import serving as serving_module
from kaiwa.errors import SetupError
from kaiwa.settings import read_settings
from kaiwa.tls import local_certificate
from tests.ports import free_port, until_listening

HEAD_MS = 300
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"


async def slow_or_not(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/slow":
        await asyncio.sleep(4 * HEAD_MS / 1_000)
    await PlainTextResponse("はい")(scope, receive, send)


@asynccontextmanager
async def serving(
    cert: Path | None = None, key: Path | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    port = free_port()
    server = http_server.http_server(slow_or_not, host, port, cert, key)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve())
        await until_listening(port)
        yield port
        server.stop()


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(http_server, "HEAD_MS", HEAD_MS)
    async with serving() as port:
        yield port


@pytest.fixture
async def tls_port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[int]:
    monkeypatch.setattr(http_server, "HEAD_MS", HEAD_MS)
    async with serving(*local_certificate(tmp_path)) as port:
        yield port


@pytest.mark.parametrize(
    "said",
    [b"", b"G", b"GET / HTTP/1.1\r\nHost: ", b"GET / HTTP/1.1\r\nHost: kaiwa\r\n\r\n"],
    ids=["nothing", "one byte", "half a head", "nothing more after an answer"],
)
async def test_who_says_nothing_more_is_not_waited_for(port: int, said: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    answer = await reader.read()  # to the end, which comes
    assert answer.endswith("はい".encode()) == said.endswith(b"\r\n\r\n")
    writer.close()


def trusting(*versions: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(versions)
    return context


@pytest.mark.parametrize("version", ["http/1.1", "h2"])
@pytest.mark.parametrize("said", [b"", PREFACE[:9], PREFACE], ids=["nothing", "a part", "hello"])
async def test_nor_is_it_over_tls(tls_port: int, version: str, said: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", tls_port, ssl=trusting(version))
    before = open_files()
    writer.write(said)
    await reader.read()  # to the end, which comes
    assert open_files() <= before + 2, "looking leaves files open"
    writer.close()


async def test_a_host_may_be_a_name() -> None:
    async with serving(host="localhost") as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()


async def test_a_port_that_somebody_took_meanwhile_is_shared_with_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as port:

        @asynccontextmanager
        async def running(*_: object) -> AsyncIterator[None]:
            yield

        monkeypatch.setattr(serving_module, "running", running)
        settings = read_settings(port=port)
        with pytest.raises(SetupError, match=f"127.0.0.1:{port}.*--port"):
            await serving_module.serve(settings, tls=False, cert=None, key=None, open_page=False)


async def test_only_the_newest_tls_is_spoken(tls_port: int) -> None:
    old = trusting("http/1.1")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", tls_port, ssl=old)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_the_end_does_not_wait_for_who_takes_nothing(tmp_path: Path, secure: bool) -> None:
    stuck, over = asyncio.Event(), asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        """As a stream of events is."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not over.is_set():
            try:
                async with asyncio.timeout(0.5):
                    await send(
                        {"type": "http.response.body", "body": bytes(99_999), "more_body": True}
                    )
            except TimeoutError:
                stuck.set()

    port = free_port()
    certificate = local_certificate(tmp_path) if secure else ()
    server = http_server.http_server(endless, "127.0.0.1", port, *certificate)
    server.workers_kill_timeout = 0.1
    stopping = asyncio.Event()
    serve = asyncio.create_task(serving_module._serve(server, stopping))
    await until_listening(port)
    context = trusting("http/1.1") if secure else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=1)
    writer.write(b"GET / HTTP/1.1\r\nHost: kaiwa\r\n\r\n")
    assert await reader.read(1) == b"H"
    await stuck.wait()
    stopping.set()
    server.stop()
    assert await serve
    over.set()
    writer.transport.abort()


async def test_a_server_that_ends_by_itself_ends_all() -> None:
    port = free_port()
    server = http_server.http_server(PlainTextResponse("はい"), "127.0.0.1", port)
    stopping = asyncio.Event()
    serve = asyncio.create_task(serving_module._serve(server, stopping))
    await until_listening(port)
    server.stop()
    assert not await serve and stopping.is_set()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_who_waits_for_an_answer_may_say_nothing(tls_port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", tls_port, ssl=trusting("http/1.1"))
    writer.write(b"GET /slow HTTP/1.1\r\nHost: kaiwa\r\n\r\n")
    assert (await reader.read()).endswith("はい".encode())
    writer.close()
