"""Who decodes next: finals before partials, nothing decoded that nobody waits for.

A job takes its sound when it starts, not when it is asked for, so waiting makes partials rarer
and never older. Bound: two waiting jobs per open segment, a partial and a final; a newer one of
the same kind replaces the one that waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from functools import partial
from itertools import count
from typing import Any, Generic, TypeVar

from kaiwa.errors import RecogniserDown

T = TypeVar("T")


class Urgency(IntEnum):
    """In the order of work."""

    FINAL = 0
    PARTIAL = 1


class Withdrawn(Exception):
    """The job was taken back before it started."""


class Job(Generic[T]):
    """One decode that is asked for; `prepare` is called on the loop when its turn comes and gives
    what the thread is to compute."""

    def __init__(self, urgency: Urgency, prepare: Callable[[], Callable[[], T]]) -> None:
        self.urgency = urgency
        self.prepare = prepare
        self.started = False
        self._done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiters = 0

    @property
    def waits(self) -> bool:
        """Whether it is still in the queue."""
        return not self.started and not self._done.done()

    @property
    def failed(self) -> bool:
        """Whether it ended without a result."""
        if not self._done.done():
            return False
        return self._done.cancelled() or self._done.exception() is not None

    async def result(self, scheduler: Scheduler) -> T:
        """Wait for it. When the last of its waiters is cancelled, a waiting job is withdrawn.

        Raises Withdrawn, or RecogniserDown if the engine failed.
        """
        self._waiters += 1
        try:
            await asyncio.wait([self._done])
        finally:
            self._waiters -= 1
            if not self._waiters:
                scheduler.withdraw(self)
        if self._done.cancelled():
            raise Withdrawn
        return self._done.result()

    def withdraw(self) -> None:
        self._done.cancel()

    def finish(self, computed: asyncio.Future[T]) -> None:
        """Hand the thread's result to whoever waits."""
        failure = computed.exception()
        if failure is None:
            self._done.set_result(computed.result())
        elif not self._waiters:
            self._done.cancel()
        elif isinstance(failure, RuntimeError | MemoryError):  # what CTranslate2 raises
            self._done.set_exception(RecogniserDown(f"the speech engine failed: {failure}"))
        else:
            self._done.set_exception(failure)


class Scheduler:
    """All decodes of one engine, `at_once` at the same time. Belongs to one event loop."""

    def __init__(self, at_once: int = 1) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="kaiwa-asr")
        self._free = at_once
        self._waiting: dict[int, Job[Any]] = {}
        self._numbers = count()
        self._closed = False

    async def run(self, work: Callable[[], T]) -> T:
        """Compute something out of turn in a thread (loading the model).

        Raises RecogniserDown after `close`.
        """
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def submit(self, job: Job[T]) -> None:
        """Raises RecogniserDown after `close`."""
        self._check_open()
        self._waiting[next(self._numbers)] = job
        self._start_next()

    def withdraw(self, job: Job[T]) -> None:
        """Forget a job that has not started; nothing happens to any other."""
        number = next((n for n, other in self._waiting.items() if other is job), None)
        if number is not None:
            del self._waiting[number]
            job.withdraw()

    async def close(self) -> None:
        """Withdraw what waits and let the threads finish what they have begun."""
        self._closed = True
        for job in list(self._waiting.values()):
            self.withdraw(job)
        await asyncio.to_thread(self._threads.shutdown)

    def _check_open(self) -> None:
        if self._closed:
            raise RecogniserDown("speech recognition is shut down")

    def _start_next(self) -> None:
        if not self._free or not self._waiting:
            return
        number = min(self._waiting, key=lambda n: (self._waiting[n].urgency, n))
        job = self._waiting.pop(number)
        job.started = True
        self._free -= 1
        computed = asyncio.get_running_loop().run_in_executor(self._threads, job.prepare())
        computed.add_done_callback(partial(self._finish, job))

    def _finish(self, job: Job[T], computed: asyncio.Future[T]) -> None:
        self._free += 1
        job.finish(computed)
        if not self._closed:
            self._start_next()
