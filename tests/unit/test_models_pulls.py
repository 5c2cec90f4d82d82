"""Pulls that a page watches."""

from __future__ import annotations

import asyncio
import threading

import pytest

from kaiwa.errors import Conflict, ModelUnavailable, NotFound
from kaiwa.models.progress import Progress
from kaiwa.models.pulls import Pull, Pulls, in_thread


async def settled(pull: Pull) -> Pull:
    async with asyncio.timeout(60):
        while True:
            if pull.state != "going":
                return pull
            await asyncio.sleep(0.01)


async def test_a_pull_tells_how_far_it_is_and_only_one_goes_on() -> None:
    half, more = asyncio.Event(), asyncio.Event()

    async def fetch(use: str, name: str, progress: Progress) -> None:
        progress.start(name, 100, 20)
        progress.advance(30)
        half.set()
        await more.wait()
        progress.advance(50)
        progress.finish()

    async with Pulls.run(fetch) as pulls:
        with pytest.raises(NotFound):
            pulls.stop()
        pull = pulls.begin("speech", "small")
        await half.wait()
        assert (pull.bytes, pull.total, pull.state) == (50, 100, "going")
        with pytest.raises(Conflict, match="small"):
            pulls.begin("speech", "large")
        more.set()
        assert (await settled(pull)).state == "done"
        assert pull.bytes == 100
        assert pulls.begin("speech", "large") is pulls.newest


async def test_a_pull_in_a_thread_stops_when_it_is_next_told_of_progress() -> None:
    going = threading.Event()

    async def fetch(use: str, name: str, progress: Progress) -> None:
        def bring() -> None:
            progress.start(name, 100)
            while True:
                going.set()
                progress.advance(0)

        await in_thread(bring)

    async with Pulls.run(fetch) as pulls:
        pull = pulls.begin("chat", "large")
        await asyncio.to_thread(going.wait)
        pulls.stop()
        assert (await settled(pull)).state == "stopped"
        assert pull.error is None


async def test_a_pull_that_fails_keeps_its_reason() -> None:
    async def fetch(use: str, name: str, progress: Progress) -> None:
        def bring() -> None:
            raise ModelUnavailable("offline")

        await in_thread(bring)

    async with Pulls.run(fetch) as pulls:
        pull = await settled(pulls.begin("turn", "smart"))
        assert pull.state == "failed"
        assert pull.error is not None and pull.error.message == "offline"


async def test_the_end_of_the_process_waits_for_no_pull() -> None:
    blocked = threading.Event()

    async def fetch(use: str, name: str, progress: Progress) -> None:
        await in_thread(blocked.wait)

    async with asyncio.timeout(60), Pulls.run(fetch) as pulls:
        pulls.begin("turn", "smart")
        await asyncio.sleep(0)
    blocked.set()
