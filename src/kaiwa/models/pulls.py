"""Pulls that a page watches: one at a time, told in numbers, stopped from outside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal, Self

import structlog

from kaiwa.errors import Conflict, KaiwaError, NotFound
from kaiwa.models.progress import Progress

Fetch = Callable[[str, str, Progress], Awaitable[object]]
"""Brings the model of a use and a name. Raises KaiwaError."""

log = structlog.get_logger()


class PullStopped(Exception):
    """Somebody stopped the pull; it leaves `Pulls` never."""


@dataclass
class Pull:
    """One pull, as its `Progress`; sizes in bytes, `total` 0 while it is unknown.

    A pull that is to stop does so when it is next told of progress.
    """

    use: str
    name: str
    state: Literal["going", "done", "failed", "stopped"] = "going"
    bytes: int = 0
    total: int = 0
    error: KaiwaError | None = None
    _stops: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        self._stops.set()

    def start(self, model: str, total_bytes: int, already: int = 0) -> None:
        self.bytes, self.total = already, total_bytes
        self._go_on()

    def advance(self, count: int) -> None:
        self.bytes += count
        self._go_on()

    def note(self, text: str) -> None:
        self._go_on()

    def finish(self) -> None: ...

    def _go_on(self) -> None:
        if self._stops.is_set():
            raise PullStopped


class Pulls:
    """The newest pull of this process; open it with `run`."""

    def __init__(self, fetch: Fetch, tasks: asyncio.TaskGroup) -> None:
        self._fetch = fetch
        self._tasks = tasks
        self._task: asyncio.Task[None] | None = None
        self.newest: Pull | None = None

    @classmethod
    @asynccontextmanager
    async def run(cls, fetch: Fetch) -> AsyncIterator[Self]:
        """A pull that is going on when the block ends is left as it is; the next one goes on."""
        async with asyncio.TaskGroup() as tasks:
            pulls = cls(fetch, tasks)
            try:
                yield pulls
            finally:
                if pulls._task is not None:
                    pulls._task.cancel()

    def begin(self, use: str, name: str) -> Pull:
        """Raises Conflict while another one is going on."""
        if self.newest is not None and self.newest.state == "going":
            raise Conflict(f"{self.newest.name} is being fetched; one model at a time")
        pull = self.newest = Pull(use, name)
        self._task = self._tasks.create_task(self._bring(pull))
        return pull

    def stop(self) -> None:
        """Raises NotFound when there is none to stop."""
        if self.newest is None or self.newest.state != "going":
            raise NotFound("no model is being fetched")
        self.newest.stop()

    async def _bring(self, pull: Pull) -> None:
        try:
            await self._fetch(pull.use, pull.name, pull)
        except PullStopped:
            pull.state = "stopped"
        except KaiwaError as error:
            pull.error, pull.state = error, "failed"
        except Exception:
            log.exception("pull_crashed", model=pull.name)
            pull.error, pull.state = KaiwaError("the server's log says why"), "failed"
        else:
            pull.state = "done"


async def in_thread(call: Callable[[], object]) -> None:
    """Wait for a blocking call whose thread holds up no process that wants to end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        try:
            call()
        except BaseException as error:
            outcome: BaseException | None = error
        else:
            outcome = None
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=run, name="pull", daemon=True).start()
    await done
