"""What task groups raise, as the one error that matters; and work that must not end the rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import structlog

from kaiwa.errors import DatabaseDown, KaiwaError

DATABASE_RETRY_S: Final = 0.5
DATABASE_PATIENCE_S: Final = 120.0
"""What somebody says waits so long for a database that is away."""

log = structlog.get_logger()


async def patiently(action: Callable[[], Awaitable[object]], seconds: float) -> None:
    """Act; while the database is away, try again. Raises DatabaseDown after so many seconds.

    The action must be one that does nothing when it was done before.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            await action()
            return
        except DatabaseDown:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(DATABASE_RETRY_S)


async def contained(work: Callable[[], Awaitable[None]], name: str) -> None:
    """Do the work; a fault of ours in it is logged, and ends nothing but the work itself."""
    try:
        await work()
    except Exception:
        log.exception("task_crashed", task=name)


@asynccontextmanager
async def now_and_then(
    seconds: float, work: Callable[[], Awaitable[None]], name: str
) -> AsyncIterator[None]:
    """Do the work at once and every so many seconds, for the length of the block."""

    async def go_on() -> None:
        while True:
            await contained(work, name)
            await asyncio.sleep(seconds)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(go_on())
        try:
            yield
        finally:
            task.cancel()


@contextmanager
def one_error() -> Iterator[None]:
    """Turn an exception group that holds errors of ours into the first of them.

    A group that holds anything else is a fault of the program and goes on as it is.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        ours, rest = group.split(KaiwaError)
        if ours is None or rest is not None:
            raise
        raise _first(ours) from group


def _first(group: BaseExceptionGroup[KaiwaError]) -> KaiwaError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
