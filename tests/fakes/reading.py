"""A talk read one event at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from kaiwa.domain.ids import TalkId
from kaiwa.pipeline.fan_out import FanOut, Group, Item
from kaiwa.ports.event_log import EventLog
from kaiwa.ports.wakeup import Wakeups


@asynccontextmanager
async def reading(
    event_log: EventLog, wakeups: Wakeups, talk: TalkId, after: int
) -> AsyncIterator[AsyncIterator[Item]]:
    """As the only reader of a process."""
    async with (
        FanOut.run(event_log, wakeups) as fan_out,
        one_by_one(fan_out, talk, after) as items,
    ):
        yield items


@asynccontextmanager
async def one_by_one(
    fan_out: FanOut, talk: TalkId, after: int
) -> AsyncIterator[AsyncIterator[Item]]:
    async with fan_out.subscribe(talk, after) as groups, aclosing(flat(groups)) as items:
        yield items


async def flat(groups: AsyncIterator[Group]) -> AsyncGenerator[Item, None]:
    async for group in groups:
        for item in group:
            yield item
