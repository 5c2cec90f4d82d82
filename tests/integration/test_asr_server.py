"""`kaiwa asr-server`: lines for many clients at once, and never a lost tail."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from kaiwa.adapters.memory.asr import EnergyVoiceActivity, FakeRecogniser
from kaiwa.asr_server import AsrServer
from kaiwa.domain.audio import Samples
from tests.sounds import silence, speech

TWO = speech(600, 900, 1_100, 900)
LINE = re.compile(r"(\d+) (\d+) (.+)")


@dataclass
class Running:
    port: int
    recogniser: FakeRecogniser
    clients: AsrServer

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def lines(self, data: bytes, step: int = 16_384) -> list[tuple[int, int, str]]:
        """Send, end our side, and read to the end."""
        reader, writer = await self.connect()

        async def send() -> None:
            for at in range(0, len(data), step):
                writer.write(data[at : at + step])
                await writer.drain()
            writer.write_eof()

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(send())
            text = (await reader.read()).decode()
        writer.close()
        found = [LINE.fullmatch(line) for line in text.splitlines()]
        return [(int(m[1]), int(m[2]), m[3]) for m in found if m]


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    recogniser = FakeRecogniser()
    clients = AsrServer(recogniser, EnergyVoiceActivity, "ja")
    listening = await clients.start("127.0.0.1", 0)
    yield Running(listening.sockets[0].getsockname()[1], recogniser, clients)
    listening.close()
    await listening.wait_closed()


def text_of(lines: list[tuple[int, int, str]]) -> str:
    return "".join(text for _, _, text in lines)


async def test_lines_have_times_and_the_text_of_all_segments(server: Running) -> None:
    lines = await server.lines(TWO.tobytes())
    assert text_of(lines) == "今日はとてもいい今日はとてもいい天気です"[: len(text_of(lines))]
    assert text_of(lines).count("今日は") == 2
    times = [time for begin, end, _ in lines for time in (begin, end)]
    assert times == sorted(times)
    assert times[0] < 400
    assert 2_400 < times[-1] < 2_900


@pytest.mark.parametrize("step", [1, 333, 4_096])
async def test_odd_reads_do_not_shift_the_samples(server: Running, step: int) -> None:
    sound = speech(500, 700)
    assert await server.lines(sound.tobytes(), step) == await server.lines(sound.tobytes())


async def test_the_tail_is_sent_when_the_client_ends_its_side(server: Running) -> None:
    lines = await server.lines(speech(900).tobytes())  # no pause behind it
    assert text_of(lines).startswith("今日は")


async def test_half_a_sample_at_the_end_harms_nobody(server: Running) -> None:
    assert text_of(await server.lines(speech(600, 700).tobytes() + b"\x01")).startswith("今日は")


async def test_silence_has_no_lines(server: Running) -> None:
    assert await server.lines(silence(5_000).tobytes()) == []


async def test_many_clients_at_once_do_not_mix(server: Running) -> None:
    sounds: list[Samples] = [speech(300 + 300 * n, 800) for n in range(6)]
    together = await asyncio.gather(*(server.lines(sound.tobytes()) for sound in sounds))
    alone = [await server.lines(sound.tobytes()) for sound in sounds]
    assert [text_of(lines) for lines in together] == [text_of(lines) for lines in alone]


async def test_a_client_that_disappears_disturbs_nobody(server: Running) -> None:
    _, writer = await server.connect()
    writer.write(speech(1_500).tobytes())
    await writer.drain()
    writer.transport.abort()
    assert text_of(await server.lines(TWO.tobytes())).count("今日は") == 2


async def test_a_client_that_never_ends_holds_up_nobody(server: Running) -> None:
    _, idle = await server.connect()
    assert text_of(await server.lines(TWO.tobytes())).count("今日は") == 2
    idle.close()


async def test_text_arrives_while_the_client_still_speaks(server: Running) -> None:
    reader, writer = await server.connect()
    writer.write(TWO.tobytes())
    async with asyncio.timeout(60):
        assert LINE.match((await reader.readline()).decode())
    writer.close()


async def test_the_tail_is_sent_when_the_server_is_stopped(server: Running) -> None:
    speaker, idle = await server.connect(), await server.connect()
    speaker[1].write(speech(600, 900, 1_100).tobytes())
    async with asyncio.timeout(60):
        first = await speaker[0].readline()
        await server.clients.stop()
        rest = await speaker[0].read()
        assert await idle[0].read() == b""
    assert (first + rest).decode().count("今日は") == 2
    speaker[1].close()
    idle[1].close()


async def test_a_recogniser_that_fails_ends_its_client_only(server: Running) -> None:
    server.recogniser.down = "the recogniser is away"
    assert await server.lines(TWO.tobytes()) == []
    server.recogniser.down = None
    assert text_of(await server.lines(TWO.tobytes()))


async def test_a_client_whose_machine_went_away_is_noticed(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: asyncio.Queue[socket.socket] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.put_nowait(writer.get_extra_info("socket"))
        await reader.read()

    monkeypatch.setattr(server.clients, "_serve", serve)
    _, writer = await server.connect()
    connection = await came.get()
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    writer.close()
