"""What open connections that do nothing cost one server process, and whether it still answers.

    python -m bench.connections [--silent 10000] [--listening 1000] [--seconds 10]

Each on an app process of its own (all of kaiwa but the engines): connections that say nothing, and
listeners of quiet talks. (One that says nothing, or nothing more, is closed after 30 s.) The
holders are processes with plain sockets, each from a loopback address of its own.

`MB`: memory of the process before and with them. `KB each`: of that, what one costs. `still open`:
after so many seconds. `healthz`, `message`: the middle and the slowest of fifty requests of
somebody else, each on a new connection, in milliseconds, without the others and beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from bench.fanout import App, app, new_talks
from bench.fanout_listeners import request
from kaiwa.adapters.postgres.accounts import PostgresAccounts
from kaiwa.adapters.postgres.embedded import embedded_postgres
from kaiwa.database import database_of
from kaiwa.settings import Settings

HOLDERS = 3
TALKS = 100
REQUESTS = 50
PATIENCE_S = 120.0


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--silent", type=int, default=10_000)
    parser.add_argument("--listening", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    console = Console(width=120)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kaiwa-bench-")))
        url = (await stack.enter_async_context(embedded_postgres(folder))).url
        settings = Settings(database_url=url)
        database = await stack.enter_async_context(database_of(settings, alone=False))
        user = await PostgresAccounts(database).register("bench", None)
        talks = await new_talks(database, user, TALKS)
        for kind, count in (("silent", given.silent), ("listening", given.listening)):
            table = Table(kind, "in", "MB", "KB each", "still open", "healthz", "message", box=None)
            async with app(url, user, "") as server:
                alone = await answers(server, talks[0])
                before = server.mb
                asks, until = asking(kind, server, talks)
                began = time.monotonic()
                async with held(server, asks, until, count) as still_open:
                    took = time.monotonic() - began
                    await asyncio.sleep(given.seconds / 2)
                    beside = await answers(server, talks[0])
                    await asyncio.sleep(given.seconds / 2)
                    after = server.mb
                    left = await still_open()
                table.add_row(
                    f"{count:,}",
                    f"{took:.0f} s",
                    f"{before:.0f} → {after:.0f}",
                    f"{1_000 * (after - before) / count:.1f}",
                    f"{left:,}",
                    *(f"{a} → {b}" for a, b in zip(alone, beside, strict=True)),
                )
            console.print(table)


def asking(kind: str, server: App, talks: Sequence[str]) -> tuple[list[str], str]:
    """What the connections ask in turn, and how far they read."""
    if kind == "silent":
        return [""], ""
    asks = (request(server.port, server.token, f"/talks/{talk}/stream") for talk in talks)
    return [ask.decode() for ask in asks], "event: ready"


async def answers(server: App, talk: str) -> tuple[str, str]:
    """Milliseconds of `GET /healthz` and of a typed message, the middle and the slowest."""

    async def timed(method: str, path: str) -> float:
        address = f"http://127.0.0.1:{server.port}"
        headers = {"authorization": f"Bearer {server.token}"}
        async with httpx.AsyncClient(headers=headers, timeout=PATIENCE_S) as http:
            said = {"text": "こんにちは。"} if method == "POST" else None
            began = time.perf_counter()
            answer = await http.request(method, address + path, json=said)
            took = time.perf_counter() - began
        answer.raise_for_status()
        return 1_000 * took

    found = []
    for ask in (("GET", "/healthz"), ("POST", f"/talks/{talk}/messages")):
        took = [await timed(*ask) for _ in range(REQUESTS)]
        found.append(f"{statistics.median(took):.0f}, {max(took):.0f}")
    return found[0], found[1]


@asynccontextmanager
async def held(
    server: App, asks: Sequence[str], until: str, count: int
) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Connections that others hold for the length of the block; call it to count the open ones."""
    async with AsyncExitStack() as stack:
        processes = []
        for n in range(HOLDERS):
            given = {"port": server.port, "source": f"127.0.0.{n + 2}", "asks": asks}
            given |= {"until": until, "count": count // HOLDERS + (n < count % HOLDERS)}
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bench.connections_holder"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            stack.push_async_callback(process.wait)
            assert process.stdin is not None and process.stdout is not None
            stack.callback(process.stdin.close)  # ends it
            process.stdin.write(f"{json.dumps(given)}\n".encode())
            processes.append((process.stdin, process.stdout))
        for _, output in processes:
            assert await output.readline() == b"held\n"

        async def still_open() -> int:
            for line, _ in processes:
                line.write(b"\n")
            return sum([int(await output.readline()) for _, output in processes])

        yield still_open


if __name__ == "__main__":
    asyncio.run(main())
