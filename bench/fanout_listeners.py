"""The browsers of `bench.fanout`: sockets that read Server-Sent Events, in a process of their own.

    python -m bench.fanout_listeners FILE

reads from standard input which to open, says "ready" when all have caught up, and at the next line
writes what arrived to FILE.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
import tempfile
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kaiwa.domain.ids import TalkId

OPEN_AT_ONCE = 50
STALL_S = 45.0


def request(port: int, token: str, path: str) -> bytes:
    host = f"127.0.0.1:{port}"
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


class Browser(asyncio.Protocol):
    """Notes when each event with an id arrived."""

    def __init__(self, asking: bytes, talk: int, arrivals: array[float]) -> None:
        self.ready = asyncio.get_running_loop().create_future()
        self._asking = asking
        self._talk = talk
        self._arrivals = arrivals
        self._rest = b"\n"
        self._answered = False

    def connection_made(self, transport: Any) -> None:
        transport.write(self._asking)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        data = self._rest + data
        if not self.ready.done():
            if b" 200 " not in data and not self._answered:
                self.ready.set_exception(ConnectionError(data.decode()))
            elif b"event: ready" in data:
                self.ready.set_result(None)
            self._answered = True
        end = data.rfind(b"\n\n")
        if end < 0:
            self._rest = data
            return
        self._rest = data[end + 1 :]
        for seq in re.findall(rb"\nid: (\d+)\n", data[: end + 2]):
            self._arrivals.extend((self._talk, float(seq), now))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the server closed a stream at once"))


async def listen(places: Sequence[tuple[int, str, int]], talks: Sequence[str], file: Path) -> None:
    """`places` are (port, token, listeners); listeners read the talks in turn."""
    loop = asyncio.get_running_loop()
    arrivals: array[float] = array("d")
    gate = asyncio.Semaphore(OPEN_AT_ONCE)
    transports = []

    async def open_one(port: int, token: str, talk: int) -> None:
        async with gate:
            asking = request(port, token, f"/talks/{talks[talk]}/stream")
            transport, browser = await loop.create_connection(
                lambda: Browser(asking, talk, arrivals), "127.0.0.1", port
            )
            transports.append(transport)
            await browser.ready

    async with asyncio.TaskGroup() as tasks:
        for port, token, count in places:
            for n in range(count):
                tasks.create_task(open_one(port, token, n % len(talks)))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    np.save(file, np.frombuffer(arrivals, dtype=np.float64).reshape(-1, 3))
    print("written", flush=True)
    for transport in transports:
        transport.close()


class Listening:
    """The process with the listeners, from the bench's side."""

    def __init__(
        self, process: asyncio.subprocess.Process, file: Path, counts: Sequence[int], talks: int
    ) -> None:
        self._process = process
        self._file = file
        self._counts = counts
        self._talks = talks

    def of(self, talk: int) -> int:
        """How many listen to a talk, by its number."""
        return sum((count - talk - 1) // self._talks + 1 for count in self._counts)

    @classmethod
    @asynccontextmanager
    async def run(
        cls, places: Sequence[tuple[int, str, int]], talks: Sequence[TalkId]
    ) -> AsyncIterator[Listening]:
        """Open them all; they have caught up when the block begins."""
        with tempfile.TemporaryDirectory(prefix="kaiwa-bench-") as folder:
            file = Path(folder) / "arrivals.npy"
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bench.fanout_listeners",
                str(file),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            try:
                listening = cls(process, file, [count for _, _, count in places], len(talks))
                await listening._say(json.dumps([list(places), list(talks)]))
                yield listening
            finally:
                if process.returncode is None:
                    process.terminate()
                    await process.wait()

    async def arrivals(self) -> npt.NDArray[np.float64]:
        """Rows of (talk, seq, time of the monotonic clock)."""
        await self._say("")
        found: npt.NDArray[np.float64] = np.load(self._file)
        return found

    async def _say(self, line: str) -> None:
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{line}\n".encode())
        if not await process.stdout.readline():
            raise SystemExit("the listeners did not come to be")


async def stalled(port: int, token: str, talk: TalkId) -> int:
    """Read to `ready`, then nothing for STALL_S, then to the end, which comes only if the server
    has cut off; the last seq that came whole."""
    reader, writer = await _open(port, token, f"/talks/{talk}/stream", receive_buffer=4_096)
    await reader.readuntil(b"event: ready")
    transport = writer.transport
    assert isinstance(transport, asyncio.Transport)
    transport.pause_reading()
    await asyncio.sleep(STALL_S)
    transport.resume_reading()
    text = b""
    try:
        while data := await reader.read(65_536):
            text += data
    except OSError:
        pass
    writer.close()
    whole = text[: text.rfind(b"\n\n") + 1]
    return max((int(seq) for seq in re.findall(rb"\nid: (\d+)\n", whole)), default=0)


async def resumed(port: int, token: str, talk: TalkId, cursor: int, head: int) -> int:
    """How many events come after the cursor, up to the newest."""
    reader, writer = await _open(port, token, f"/talks/{talk}/stream?after={cursor}")
    seqs: list[int] = []
    while not seqs or seqs[-1] < head:
        line = await reader.readline()
        if line.startswith(b"id: "):
            seqs.append(int(line[4:]))
    writer.close()
    assert seqs == list(range(cursor + 1, head + 1))
    return len(seqs)


async def _open(
    port: int, token: str, path: str, receive_buffer: int | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    plug = socket.socket()
    if receive_buffer is not None:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plug.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=plug, limit=1 << 20)
    writer.write(request(port, token, path))
    return reader, writer


if __name__ == "__main__":
    given = json.loads(sys.stdin.readline())
    asyncio.run(listen(given[0], given[1], Path(sys.argv[1])))
