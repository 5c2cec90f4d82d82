"""One recogniser in place of another, while people speak."""

from __future__ import annotations

import asyncio

import pytest

from kaiwa.adapters.memory.asr import FakeRecogniser
from kaiwa.errors import RecogniserDown
from kaiwa.pipeline.changing import ChangingRecogniser


class Named(FakeRecogniser):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.closed = False
        self.loads = asyncio.Event()
        self.loads.set()

    async def ready(self) -> None:
        await self.loads.wait()
        if self.name == "broken":
            raise RecogniserDown("no such weights")

    async def close(self) -> None:
        self.closed = True


async def test_a_segment_stays_with_the_engine_it_began_with() -> None:
    made: dict[str, Named] = {}

    def build(name: str) -> Named:
        return made.setdefault(name, Named(name))

    recogniser = ChangingRecogniser("small", build)
    async with recogniser.segment(language="ja"):
        await recogniser.change("large")
        assert recogniser.name == "large"
        assert not made["small"].closed
    assert made["small"].closed and not made["large"].closed
    await recogniser.close()
    assert made["large"].closed


async def test_it_tells_what_is_being_loaded() -> None:
    small, large = Named("small"), Named("large")
    large.loads.clear()
    recogniser = ChangingRecogniser("small", {"small": small, "large": large}.__getitem__)
    changing = asyncio.create_task(recogniser.change("large"))
    await asyncio.sleep(0)
    assert (recogniser.name, recogniser.loading) == ("small", "large")
    large.loads.set()
    await changing
    assert (recogniser.name, recogniser.loading) == ("large", None)


async def test_what_does_not_load_changes_nothing() -> None:
    made: dict[str, Named] = {}
    recogniser = ChangingRecogniser("small", lambda name: made.setdefault(name, Named(name)))
    with pytest.raises(RecogniserDown):
        await recogniser.change("broken")
    assert (recogniser.name, recogniser.loading) == ("small", None)
    assert made["broken"].closed
    async with recogniser.segment(language="ja"):
        assert not made["small"].closed
