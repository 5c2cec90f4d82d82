"""What is done to the site. Each fault hurts it, holds for a while, and heals it again."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import psutil

from tests.faults.site import Site

Fault = Callable[[Site, random.Random, float], Coroutine[Any, Any, None]]


async def app_killed(site: Site, rng: random.Random, seconds: float) -> None:
    rng.choice(site.apps).send(signal.SIGKILL)


async def app_stopped(site: Site, rng: random.Random, seconds: float) -> None:
    """SIGTERM: it drains, and its talkers and listeners move to another."""
    rng.choice(site.apps).send(signal.SIGTERM)


async def app_frozen(site: Site, rng: random.Random, seconds: float) -> None:
    """Long enough, and others have taken over what it still believes to own."""
    app = rng.choice(site.apps)
    app.send(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    app.send(signal.SIGCONT)


async def backend_killed(site: Site, rng: random.Random, seconds: float) -> None:
    """PostgreSQL then ends all others too, and recovers its log."""
    backends = _processes(site)[1:]
    if backends:
        with suppress(psutil.NoSuchProcess):
            rng.choice(backends).kill()


async def postgres_killed(site: Site, rng: random.Random, seconds: float) -> None:
    for process in _processes(site)[:1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


async def postgres_frozen(site: Site, rng: random.Random, seconds: float) -> None:
    frozen = _processes(site)
    for process in frozen:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    await asyncio.sleep(seconds)
    for process in frozen:
        with suppress(psutil.NoSuchProcess):
            process.resume()


async def database_stalled(site: Site, rng: random.Random, seconds: float) -> None:
    await site.wire.stall(seconds, lose=rng.random() < 0.5)


async def database_cut_off(site: Site, rng: random.Random, seconds: float) -> None:
    site.wire.break_off()


async def model_killed(site: Site, rng: random.Random, seconds: float) -> None:
    site.model.send(signal.SIGKILL)


async def network_stalled(site: Site, rng: random.Random, seconds: float) -> None:
    await site.front.stall(seconds, lose=rng.random() < 0.5)


async def network_cut_off(site: Site, rng: random.Random, seconds: float) -> None:
    site.front.break_off()


async def disk_full(site: Site, rng: random.Random, seconds: float) -> None:
    if site.disk is None:
        return
    with site.filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1_000_000))
    await asyncio.sleep(seconds)
    site.filler.unlink(missing_ok=True)


def _processes(site: Site) -> list[psutil.Process]:
    """PostgreSQL's, the postmaster first; none while it is down. A number in a file that was left
    behind may be somebody else's by now."""
    try:
        number = (site.server.folder / "postmaster.pid").read_text().split()[0]
        postmaster = psutil.Process(int(number))
        if str(site.server.folder) in postmaster.cmdline():
            return [postmaster, *postmaster.children()]
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        pass
    return []


FAULTS: Final[tuple[Fault, ...]] = (
    app_killed,
    app_stopped,
    app_frozen,
    backend_killed,
    postgres_killed,
    postgres_frozen,
    database_stalled,
    database_cut_off,
    model_killed,
    network_stalled,
    network_cut_off,
    disk_full,
)


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault at one time, in seconds from the beginning of the scene."""

    at: float
    fault: Fault
    seconds: float

    def __str__(self) -> str:
        return f"{self.at:6.1f} s  {self.fault.__name__} ({self.seconds:.1f} s)"


def plan(rng: random.Random, seconds: float) -> list[Blow]:
    """Every kind once before any comes again. They may overlap, but not with their own kind."""
    blows: list[Blow] = []
    free: dict[Fault, float] = {}
    at = 2.0
    while True:
        for fault in rng.sample(FAULTS, len(FAULTS)):
            at += rng.uniform(0.5, 4.0)
            if at > seconds:
                return blows
            if at < free.get(fault, 0.0):
                continue
            long = seconds > LONG_SCENE_S and rng.random() < LONG_SHARE
            lasting = rng.uniform(20.0, 60.0) if long else rng.uniform(1.0, 6.0)
            blows.append(Blow(at, fault, lasting))
            free[fault] = at + lasting + 1.0


LONG_SCENE_S: Final = 120.0
LONG_SHARE: Final = 0.1
"""Of a long scene's faults, those that last up to a minute."""


async def strike(site: Site, blows: list[Blow], rng: random.Random) -> None:
    """Deal them; returns when all are healed."""
    clock = asyncio.get_running_loop().time
    began = clock()
    async with asyncio.TaskGroup() as tasks:
        for blow in blows:
            await asyncio.sleep(max(0.0, began + blow.at - clock()))
            print(blow, flush=True)
            tasks.create_task(blow.fault(site, rng, blow.seconds))
