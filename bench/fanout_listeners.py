"""The browsers of `bench.fanout`: sockets that read Server-Sent Events, in a process of their own.

    python -m bench.fanout_listeners FILE

reads from standard input which to open, says "ready" when all have caught up, and at the next line
writes what arrived to FILE.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import select
import socket
import sys
import tempfile
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kaiwa.domain.ids import TalkId

OPEN_AT_ONCE = 50
STALL_S = 45.0
PATIENCE_S = 120.0
CHUNK = 1 << 18


def request(port: int, token: str, path: str) -> bytes:
    host = f"127.0.0.1:{port}"
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


class Browser:
    """Notes which events with an id arrived when. Its own work is kept small: it shares the
    processor with the server."""

    def __init__(self, port: int, asking: bytes, talk: int) -> None:
        self.plug = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.plug.sendall(asking)
        self.plug.setblocking(False)
        self.ready = False
        self._talk = talk
        self._seq: int | None = None
        self._rest = b"\n"

    def read(self, arrivals: array[float]) -> None:
        """Take what is there; `arrivals` gets the talk, the first and the last seq, the time.

        Raises ConnectionError when the server closed, SystemExit when an event is missing.
        """
        try:
            came = self.plug.recv(CHUNK)
        except BlockingIOError:
            return
        if not came:
            raise ConnectionError(f"the server closed a stream: {self._rest[-200:]!r}")
        now = time.monotonic()
        data = self._rest + came
        end = data.rfind(b"\n\n")
        if end < 0:
            self._rest = data
            return
        self._rest = data[end + 1 :]
        if not self.ready:
            self.ready = data.find(b"\nevent: ready", 0, end) >= 0
        count = data.count(b"\nid: ", 0, end)
        if not count:
            return
        at = data.rfind(b"\nid: ", 0, end) + 5
        last = int(data[at : data.index(b"\n", at)])
        if self._seq is not None and last != self._seq + count:
            raise SystemExit(f"{count} events came between {self._seq} and {last}")
        self._seq = last
        arrivals.extend((self._talk, last - count + 1, last, now))


def listen(places: Sequence[tuple[int, str, int]], talks: Sequence[str], file: Path) -> None:
    """`places` are (port, token, listeners); listeners read the talks in turn."""
    arrivals: array[float] = array("d")
    wanted = [(port, token, n % len(talks)) for port, token, count in places for n in range(count)]
    total = len(wanted)
    browsers: dict[int, Browser] = {}
    catching_up: set[int] = set()
    ready = 0
    poll = select.epoll()
    poll.register(sys.stdin, select.EPOLLIN)
    while True:
        while wanted and len(catching_up) < OPEN_AT_ONCE:
            port, token, talk = wanted.pop()
            asking = request(port, token, f"/talks/{talks[talk]}/stream")
            browser = Browser(port, asking, talk)
            browsers[browser.plug.fileno()] = browser
            catching_up.add(browser.plug.fileno())
            poll.register(browser.plug, select.EPOLLIN)
        for number, _ in poll.poll(maxevents=len(browsers) + 1):
            if number == sys.stdin.fileno():
                sys.stdin.readline()
                np.save(file, np.frombuffer(arrivals, dtype=np.float64).reshape(-1, 4))
                print("written", flush=True)
                return
            browsers[number].read(arrivals)
            if number in catching_up and browsers[number].ready:
                catching_up.discard(number)
                ready += 1
                if ready == total:
                    print("ready", flush=True)


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
        """Rows of (talk, first seq, last seq, time of the monotonic clock)."""
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
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    given = json.loads(sys.stdin.readline())
    listen(given[0], given[1], Path(sys.argv[1]))
