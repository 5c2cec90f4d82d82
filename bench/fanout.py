"""How long an event takes from its commit to everybody who listens, in a crowd.

    python -m bench.fanout [--listeners 1000] [--processes 2] [--seconds 10] [--plain 25]
                           [--bus nats://…] [--no-stalled]

Starts a PostgreSQL, app processes on it (all of kaiwa but the engines), and a process for the
listeners, which are plain sockets that read Server-Sent Events. All listeners but ten for each
further process are on the first process. Events are appended from here, as by one more process:

1. 50 a second in one talk that everybody reads.
2. 500 a second over 100 talks, each with its share of the listeners. The rate that was reached is
   printed: the writer shares the machine with all the others.
3. The plain design for comparison: one LISTEN connection per browser, as many as the embedded
   PostgreSQL takes (`--plain`), 50 events a second in one talk.
4. A browser that stops reading while large events come: how long until it is cut off, and whether
   it gets the rest when it comes back with its cursor.

`p50`, `p99`: from the moment the writer knew of the commit to the moment the listener's process
read the event off its socket, in milliseconds, over every event at every listener. A listener may
be told before the writer, so that a time may be below zero. `behind`: events that
a listener did not get. `CPU` is the first process's; `µs each` is that divided by all deliveries.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
from rich.console import Console
from rich.table import Table

from bench.fanout_listeners import STALL_S, Listening, resumed, stalled
from kaiwa.adapters.postgres.accounts import PostgresAccounts
from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.embedded import embedded_postgres
from kaiwa.adapters.postgres.event_log import PostgresEventLog
from kaiwa.adapters.postgres.talks import PostgresTalks
from kaiwa.database import database_of
from kaiwa.domain.events import UtteranceFinal
from kaiwa.domain.ids import TalkId
from kaiwa.domain.talk import TalkSettings, User
from kaiwa.ports.event_log import EventLog
from kaiwa.settings import Settings

ONE_TALK_RATE, MANY_TALKS_RATE, TALKS = 50, 500, 100  # events a second; talks
ELSEWHERE = 10  # listeners on each further process
LARGE = "あ" * 2_400  # just small enough to go inline
STALLED_RATE = 100
SETTLE_S = 5.0
QUIET_PERCENT = 3


@dataclass
class App:
    """One app process, and how to come in."""

    process: asyncio.subprocess.Process
    port: int
    token: str

    @property
    def mb(self) -> float:
        return psutil.Process(self.process.pid).memory_full_info().pss / 1e6

    @property
    def cpu_s(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--listeners", type=int, default=1_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--plain", type=int, default=25)
    parser.add_argument("--bus", default="", help="a NATS server instead of NOTIFY")
    parser.add_argument("--no-stalled", action="store_true")
    given = parser.parse_args()
    console = Console(width=120)
    table = Table(
        "",
        "listeners",
        "events/s",
        "p50",
        "p99",
        "worst",
        "behind",
        "CPU",
        "µs each",
        "MB",
        box=None,
    )
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kaiwa-bench-")))
        url = (await stack.enter_async_context(embedded_postgres(folder))).url
        settings = Settings(database_url=url, bus_url=given.bus)
        database = await stack.enter_async_context(database_of(settings, alone=False))
        log = PostgresEventLog(database)
        user = await PostgresAccounts(database).register("bench", None)
        apps = [
            await stack.enter_async_context(app(url, user, given.bus))
            for _ in range(given.processes)
        ]
        counts = [given.listeners, *[ELSEWHERE] * (given.processes - 1)]
        for label, rate, talks in (
            ("one talk", ONE_TALK_RATE, 1),
            (f"{TALKS} talks", MANY_TALKS_RATE, TALKS),
        ):
            names = await new_talks(database, user, talks)
            before = apps[0].mb
            async with Listening.run(
                [(a.port, a.token, n) for a, n in zip(apps, counts, strict=True)], names
            ) as listening:
                row = await measured(
                    log, names, rate, given.seconds, listening, apps[0].process.pid
                )
                table.add_row(label, str(sum(counts)), *row, f"{before:.0f} → {apps[0].mb:.0f}")
        names = await new_talks(database, user, 1)
        async with plain(url) as (process, port), Database.open(url) as notifying:
            before = memory_of_postgres()
            async with Listening.run([(port, "", given.plain)], names) as listening:
                plain_log = PostgresEventLog(notifying)
                row = await measured(
                    plain_log, names, ONE_TALK_RATE, given.seconds, listening, process.pid
                )
                each = (memory_of_postgres() - before) / given.plain
        row_mb = f"{each:.1f} a listener in PostgreSQL"
        table.add_row("one LISTEN each", str(given.plain), *row, row_mb)
        console.print(table)
        if not given.no_stalled:
            (talk,) = await new_talks(database, user, 1)
            console.print(await cut_off(log, talk, apps[0]))


async def new_talks(database: Database, user: User, count: int) -> list[TalkId]:
    talks = PostgresTalks(database)
    return [(await talks.create(user, TalkSettings(), None)).id for _ in range(count)]


async def measured(
    log: EventLog,
    talks: Sequence[TalkId],
    rate: int,
    seconds: float,
    listening: Listening,
    pid: int,
) -> tuple[str, ...]:
    """Events a second, p50, p99, the worst, how many were missed, and the server's CPU in all and
    for each delivery."""
    server = psutil.Process(pid)
    await quiet(server)
    used = sum(server.cpu_times()[:2])
    began = time.monotonic()
    commits = await write(log, talks, rate, seconds)
    took = time.monotonic() - began
    await asyncio.sleep(SETTLE_S)
    cpu = sum(server.cpu_times()[:2]) - used
    late, behind = delays(commits, await listening.arrivals(), listening)
    cells = (
        [f"{1000 * np.quantile(late, q):.0f}" for q in (0.5, 0.99, 1.0)] if len(late) else ["–"] * 3
    )
    each = 1e6 * cpu / max(1, len(late))
    return (
        f"{len(commits) / took:.0f}",
        *cells,
        str(behind),
        f"{100 * cpu / took:.0f} %",
        f"{each:.0f}",
    )


async def quiet(server: psutil.Process) -> None:
    """Until everybody has been told of everybody who came."""
    server.cpu_percent()
    for _ in range(60):
        await asyncio.sleep(1)
        if server.cpu_percent() < QUIET_PERCENT:
            return


def delays(
    commits: dict[tuple[int, int], float], got: npt.NDArray[np.float64], listening: Listening
) -> tuple[npt.NDArray[np.float64], int]:
    """Seconds from commit to arrival, and how many arrivals there should have been besides."""
    late: list[npt.NDArray[np.float64]] = []
    for number in {talk for talk, _ in commits}:
        seqs = np.array(sorted(seq for talk, seq in commits if talk == number))
        at = np.array([commits[number, int(seq)] for seq in seqs])
        for _, first, last, now in got[got[:, 0] == number]:
            begin, end = np.searchsorted(seqs, (first, last + 1))
            late.append(now - at[begin:end])
    found = np.concatenate(late) if late else np.zeros(0)
    return found, sum(listening.of(talk) for talk, _ in commits) - len(found)


async def write(
    log: EventLog, talks: Sequence[TalkId], rate: int, seconds: float, text: str = "こんにちは。"
) -> dict[tuple[int, int], float]:
    """Append at that rate, each talk in turn; when each commit was known, by talk and seq."""
    commits: dict[tuple[int, int], float] = {}
    began = time.monotonic()
    turns = asyncio.Queue[int](100)

    async def writer() -> None:
        while (n := await turns.get()) >= 0:
            recorded = await log.append(talks[n % len(talks)], said(f"u{n}", text))
            commits[n % len(talks), recorded.seq] = time.monotonic()

    async with asyncio.TaskGroup() as tasks:
        writers = 1 if len(talks) == 1 else 8
        for _ in range(writers):
            tasks.create_task(writer())
        n = 0
        while (now := time.monotonic() - began) < seconds:
            while n <= now * rate:
                await turns.put(n)
                n += 1
            await asyncio.sleep(1 / rate)
        for _ in range(writers):
            await turns.put(-1)
    return commits


def said(name: str, text: str) -> UtteranceFinal:
    return UtteranceFinal(
        utterance_id=name,
        participant="bench",
        name="bench",
        text=text,
        language="ja",
        started_ms=0,
        ended_ms=1_000,
    )


async def cut_off(log: EventLog, talk: TalkId, app: App) -> str:
    """What becomes of a browser that stops reading, in one line."""
    before = app.mb
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(stalled(app.port, app.token, talk))
        writing = tasks.create_task(write(log, [talk], STALLED_RATE, 120, LARGE))
        cursor = await reading
        most = app.mb
        writing.cancel()
    head = await log.head(talk)
    back = await resumed(app.port, app.token, talk, cursor, head)
    return (
        f"stalled: read nothing for {STALL_S:.0f} s and was cut off; the "
        f"process held {before:.0f} → {most:.0f} MB; "
        f"it had {cursor} of {head} events, and got {back} of the other {head - cursor} later"
    )


@asynccontextmanager
async def app(url: str, user: User, bus: str) -> AsyncIterator[App]:
    given = json.dumps({"database": url, "user": user.id, "bus": bus})
    async with _child("bench.fanout_app", given) as (process, line):
        values = json.loads(line)
        yield App(process, values["port"], values["token"])


@asynccontextmanager
async def plain(url: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    async with _child("bench.fanout_plain", url) as (process, line):
        yield process, int(line)


@asynccontextmanager
async def _child(module: str, *args: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A process of the bench, and the line it says when it listens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *args, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield process, (await process.stdout.readline()).decode()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def memory_of_postgres() -> float:
    """MB of all processes of PostgreSQL on this machine, shared pages counted once."""
    total = 0
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "postgres":
            try:
                total += process.memory_full_info().pss
            except psutil.Error:
                continue
    return total / 1e6


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    asyncio.run(main())
