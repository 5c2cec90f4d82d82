"""The HTTP server under the application, with an application that only answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.responses import PlainTextResponse

from kaiwa import http_server
from tests.ports import free_port, until_listening


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(http_server, "HEAD_MS", 300)
    port = free_port()
    server = http_server.http_server(PlainTextResponse("はい"), "127.0.0.1", port)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve())
        await until_listening(port)
        yield port
        server.stop()


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
