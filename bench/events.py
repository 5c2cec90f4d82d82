"""How many events one PostgreSQL takes, and what each costs it and its bus.

    python -m bench.events [--seconds 10] [--bus nats://…]

Appends utterances to a hundred talks from ten writers, as fast as they are taken, and prints the
rate and the CPU of an event in microseconds: of PostgreSQL, of nats-server (with `--bus`; it must
run on this machine) and of the process that writes. The rate is what the machine had left; the CPU
says what a quiet core could carry.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from bench.fanout import TALKS, new_talks, said
from kaiwa.adapters.postgres.accounts import PostgresAccounts
from kaiwa.adapters.postgres.database import POOL_SIZE
from kaiwa.adapters.postgres.embedded import embedded_postgres
from kaiwa.adapters.postgres.event_log import PostgresEventLog
from kaiwa.database import database_of
from kaiwa.settings import Settings


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--bus", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kaiwa-bench-") as name:
        folder = Path(name)
        async with (
            embedded_postgres(folder) as server,
            database_of(
                Settings(database_url=server.url, bus_url=given.bus), alone=True
            ) as database,
        ):
            user = await PostgresAccounts(database).register("bench", None)
            talks = await new_talks(database, user, TALKS)
            log = PostgresEventLog(database)
            numbers = itertools.count()
            before, began = cpu_s(folder), time.monotonic()

            async def write() -> None:
                while time.monotonic() - began < given.seconds:
                    n = next(numbers)
                    await log.append(talks[n % TALKS], said(f"u{n}", "こんにちは。"))

            await asyncio.gather(*(write() for _ in range(POOL_SIZE)))
            took, count = time.monotonic() - began, next(numbers)
            after = cpu_s(folder)
    print(f"{count / took:,.0f} events a second")
    for part, used in after.items():
        print(f"{1e6 * (used - before[part]) / count:7.0f} µs  {part}")


def cpu_s(folder: Path) -> dict[str, float]:
    """Seconds of CPU so far: of this process, its PostgreSQL, and any nats-server here."""
    postmaster = psutil.Process(int((folder / "postgres/postmaster.pid").read_text().split()[0]))
    buses = [p for p in psutil.process_iter(["name"]) if p.info["name"] == "nats-server"]
    return {
        "python": _cpu_s([psutil.Process()]),
        "postgres": _cpu_s([postmaster, *postmaster.children()]),
        "nats-server": _cpu_s(buses),
    }


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


if __name__ == "__main__":
    asyncio.run(main())
