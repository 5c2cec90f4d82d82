"""Bytes at random at the doors strangers reach: an answer or an end, and the next is served."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from kaiwa.adapters.memory.asr import EnergyVoiceActivity, FakeRecogniser
from kaiwa.adapters.pyav_decoder import PyAvDecoder
from kaiwa.asr_server import AsrServer
from kaiwa.domain.audio import Container
from kaiwa.errors import BrokenAudio, TooMuch
from kaiwa.ports.decoder import Decoding
from tests.integration.house import L16, Guest, House, house
from tests.sounds import packed, speech

WAIT_S = 60.0
TWO = speech(600, 900, 1_100, 900)
BLOCKS = st.lists(st.binary(max_size=400) | st.sampled_from([TWO.tobytes(), b"\xff" * 9_999]))
TEXTS = st.lists(st.text(max_size=40) | st.sampled_from(["{}", "[", '{"type":7}']), max_size=3)
RECORDINGS = {
    Container.WEBM: packed(TWO, "webm", "libopus"),
    Container.OGG: packed(TWO, "ogg", "libopus"),
    Container.MP4: packed(TWO, "mp4", "aac"),
    Container.WAV: packed(TWO, "wav", "pcm_s16le"),
}
HEADER = 1_000  # bytes; where damage does most
few = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
async def home(database_url: str) -> AsyncIterator[House]:
    async with house(database_url) as home:
        yield home


@pytest.fixture
async def decoder() -> AsyncIterator[PyAvDecoder]:
    decoder = PyAvDecoder()
    yield decoder
    await decoder.close()


@few
@given(blocks=BLOCKS, texts=TEXTS)
async def test_a_websocket(home: House, mari: Guest, blocks: list[bytes], texts: list[str]) -> None:
    talk = await mari.new_talk()
    headers = {"authorization": mari.http.headers["authorization"]}
    url = home.url.replace("http", "ws", 1)
    answers: list[dict[str, Any]] = []
    async with (
        asyncio.timeout(WAIT_S),
        connect(f"{url}/talks/{talk}/stream?type={L16}", additional_headers=headers) as socket,
    ):
        with suppress(ConnectionClosed):  # the answer may be lost on what was still being sent
            for block in blocks:
                await socket.send(block)
            for text in (*texts, '{"type":"end"}'):
                await socket.send(text)
            async for answer in socket:
                answers.append(json.loads(answer))
    assert not answers or answers[-1]["type"] in ("result", "error")


@few
@given(
    after=st.text(max_size=60),
    last=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
)
async def test_the_cursors_of_a_stream(mari: Guest, after: str, last: str) -> None:
    talk = await mari.new_talk()
    headers = [(b"last-event-id", last.encode())]
    url = f"/talks/{talk}/stream"
    async with mari.http.stream("GET", url, headers=headers, timeout=WAIT_S) as response:
        assert response.status_code in (200, 400)
    for params in ({"after": after}, {"after": f"{talk}:{after}"}):
        async with mari.http.stream("GET", "/stream", params=params) as response:
            assert response.status_code in (200, 400, 404, 422)


@few
@given(blocks=BLOCKS)
async def test_the_wire_of_the_asr_server(blocks: list[bytes]) -> None:
    recogniser = FakeRecogniser()
    listening = await AsrServer(recogniser, EnergyVoiceActivity, "ja").start("127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with asyncio.timeout(WAIT_S), listening:
        for sent in (blocks, [TWO.tobytes()]):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.writelines(sent)
            writer.write_eof()
            lines = (await reader.read()).decode().splitlines()
            writer.close()
        assert lines  # the one after is served as ever
        listening.close()


@pytest.mark.parametrize("container", RECORDINGS)
@few
@given(data=st.data())
async def test_the_decoder(decoder: PyAvDecoder, container: Container, data: st.DataObject) -> None:
    """A real recording with some of its bytes changed, cut out or doubled, most in its headers."""
    recording = bytearray(RECORDINGS[container])
    first, last = st.integers(0, HEADER), st.integers(len(recording) - HEADER, len(recording) - 1)
    places = first | (last if container is Container.MP4 else st.integers(0, len(recording) - 1))
    for _ in range(data.draw(st.integers(1, 8))):
        at, size = data.draw(places), data.draw(st.integers(1, 64))
        with_ = data.draw(st.binary(max_size=64) | st.just(bytes(recording[at : at + size]) * 2))
        recording[at : at + size] = with_
    samples = 0
    async with asyncio.timeout(WAIT_S), decoder.open(container) as decoding:
        writing = asyncio.create_task(_write(decoding, bytes(recording)))
        with suppress(BrokenAudio, TooMuch):
            async for part in decoding.samples():
                samples += len(part)
        await writing
    assert samples < len(TWO) * 50


async def _write(decoding: Decoding, data: bytes) -> None:
    with suppress(BrokenAudio, TooMuch):
        await decoding.write(data)
        await decoding.end()
