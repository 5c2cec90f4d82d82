"""From one wake-up connection to many readers.

Rows are the truth. A wake-up's payload is used as it stands only when it is the very next event;
otherwise rows are read. A slow timer asks for the newest seq of all talks that are read here, so
that a lost wake-up costs seconds, never events.

A talk is followed once, whatever the number of its readers: a payload is decoded once, rows are
read once, and all readers are handed the same groups of events. A few readers get each event as it
comes. A crowd gets what came while it was handed the last group and a little longer: told of each
event by itself, a thousand readers would cost more than a core.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

import structlog

from kaiwa.domain.events import Ephemeral, Internal, Recorded, decode_durable, decode_ephemeral
from kaiwa.domain.ids import TalkId
from kaiwa.errors import DatabaseDown, Unavailable
from kaiwa.pipeline.tasks import DATABASE_RETRY_S, now_and_then
from kaiwa.ports.event_log import EventLog
from kaiwa.ports.wakeup import Wakeups

QUEUE_SIZE: Final = 1_000
"""Events a reader may lag; then it is cut off, and resumes from its cursor."""
PAYLOADS: Final = 1_000
"""Of a talk not yet looked at; what comes then is found by its gap, or by the slow timer."""
SLOW_TIMER_S: Final = 5.0
PAGE: Final = 500
GROUP: Final = 64
"""Events handed on together at most: what a stream holds that is being written."""
CROWD: Final = 50
PAUSE_EACH_S: Final = 35e-6
"""After each group, for each reader of a crowd: a little more than it costs to tell one."""
MAX_PAUSE_S: Final = 0.25

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ready:
    """The backlog is over; what follows is live."""

    seq: int


Item = Recorded | Ephemeral | Internal | Ready
Group = tuple[Item, ...]
"""What came together, in order."""


class TooSlow(Unavailable):
    """This reader did not keep up; it should come back with its cursor."""

    code = "too_slow"


class FanOut:
    """All readers of this process; open it with `run`."""

    def __init__(self, event_log: EventLog, wakeups: Wakeups, tasks: asyncio.TaskGroup) -> None:
        self._log = event_log
        self._wakeups = wakeups
        self._tasks = tasks
        self._talks: dict[TalkId, _Talk] = {}

    @classmethod
    @asynccontextmanager
    async def run(cls, event_log: EventLog, wakeups: Wakeups) -> AsyncIterator[Self]:
        """Follow the talks that are read, for the length of the block."""
        async with asyncio.TaskGroup() as tasks:
            fan_out = cls(event_log, wakeups, tasks)
            async with now_and_then(SLOW_TIMER_S, fan_out._look_around, "fan_out"):
                yield fan_out
            for talk in fan_out._talks.values():
                talk.following.cancel()

    @asynccontextmanager
    async def subscribe(self, talk: TalkId, after: int) -> AsyncIterator[AsyncIterator[Group]]:
        """Read a talk from `after`: the backlog, `Ready`, then what happens.

        The iterator raises TooSlow when the reader does not keep up, NotFound for no such talk.
        A database that is away is waited for.
        """
        followed = self._talks.get(talk)
        if followed is None:
            followed = self._talks[talk] = _Talk(self._log, talk)
            followed.following = self._tasks.create_task(followed.follow(self._wakeups))
        reader = _Reader(self._log, followed, after)
        followed.readers.add(reader)
        try:
            await followed.listening.wait()
            async with aclosing(reader.groups()) as groups:
                yield groups
        finally:
            followed.readers.discard(reader)
            if not followed.readers:
                del self._talks[talk]
                followed.following.cancel()

    async def _look_around(self) -> None:
        """Wake the talks that have events which nobody told us of."""
        if not self._talks:
            return
        try:
            heads = await self._log.heads(list(self._talks))
        except DatabaseDown:
            return
        for name, head in heads.items():
            talk = self._talks.get(name)
            if talk is not None and talk.cursor is not None and talk.cursor < head:
                talk.on_payload("")


class _Talk:
    """A talk as it is followed for its readers."""

    following: asyncio.Task[None]

    def __init__(self, event_log: EventLog, name: TalkId) -> None:
        self.name = name
        self.readers: set[_Reader] = set()
        self.listening = asyncio.Event()
        self.cursor: int | None = None
        """What has been handed on; None until a reader knows where the talk stands: before that
        it reads all events as its backlog."""
        self.error: Exception | None = None
        """What ended the following, for all readers."""
        self._log = event_log
        self._payloads: asyncio.Queue[str] = asyncio.Queue(PAYLOADS)

    def on_payload(self, payload: str) -> None:
        if not self._payloads.full():
            self._payloads.put_nowait(payload)

    async def follow(self, wakeups: Wakeups) -> None:
        try:
            await wakeups.listen(self.name, self.on_payload)
            self.listening.set()
            while True:
                await self._next_group()
                if len(self.readers) >= CROWD and self._payloads.qsize() < GROUP:
                    await asyncio.sleep(min(MAX_PAUSE_S, len(self.readers) * PAUSE_EACH_S))
        except Exception as error:
            self.error = error
            for reader in self.readers:
                reader.wake()
        finally:
            self.listening.set()
            await wakeups.unlisten(self.name, self.on_payload)

    async def _next_group(self) -> None:
        """Hand on what has come."""
        payloads = [await self._payloads.get()]
        while len(payloads) < GROUP and not self._payloads.empty():
            payloads.append(self._payloads.get_nowait())
        items: list[Item] = []
        for payload in payloads:
            seq, item = _decoded(payload)
            if item is not None and seq is None:
                items.append(item)
            elif self.cursor is None or (seq is not None and seq <= self.cursor):
                continue  # read already, or as a backlog
            elif item is not None and seq == self.cursor + 1:
                self.cursor = seq
                items.append(item)
            else:
                self._hand_on(items)
                items = []
                await self._hand_on_rows(self.cursor)
        self._hand_on(items)

    async def _hand_on_rows(self, cursor: int) -> None:
        try:
            async for page in _pages(self._log, self.name, cursor):
                self.cursor = page[-1].seq
                self._hand_on(page)
        except DatabaseDown:
            log.info("fan_out_waits_for_database", talk=self.name)

    def _hand_on(self, items: Sequence[Item]) -> None:
        for group in _groups(items):
            for reader in self.readers:
                reader.put(group)


class _Reader:
    def __init__(self, event_log: EventLog, talk: _Talk, after: int) -> None:
        self._log = event_log
        self._talk = talk
        self._cursor = after
        self._waiting: deque[Group] = deque()
        self._lag = 0
        self._woken: asyncio.Future[None] | None = None  # half the cost of an Event

    def put(self, group: Group) -> None:
        self._lag += len(group)
        if self._lag > QUEUE_SIZE:
            self._waiting.clear()
        else:
            self._waiting.append(group)
        self.wake()

    def wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def groups(self) -> AsyncGenerator[Group, None]:
        while True:
            try:
                head = await self._log.head(self._talk.name)
                if self._talk.cursor is None:
                    self._talk.cursor = head
                self._cursor = min(self._cursor, head)  # one from the future would hide what comes
                async for page in _pages(self._log, self._talk.name, self._cursor):
                    self._cursor = page[-1].seq
                    for group in _groups(page):
                        yield group
                break
            except DatabaseDown:
                log.info("fan_out_waits_for_database", talk=self._talk.name)
                await asyncio.sleep(DATABASE_RETRY_S)
        yield (Ready(self._cursor),)
        live = False  # while what was handed on meanwhile may be part of the backlog
        while True:
            group = await self._next()
            if not live:
                group = self._newer(group)
                live = any(isinstance(item, Recorded) for item in group)
            if group:
                yield group

    async def _next(self) -> Group:
        """All that waits, up to GROUP events or a few more. Raises TooSlow."""
        while not self._waiting:
            if self._talk.error is not None:
                raise self._talk.error
            if self._lag > QUEUE_SIZE:
                raise TooSlow("this reader is too slow; resume from the last event")
            self._woken = asyncio.get_running_loop().create_future()
            await self._woken
        group = self._waiting.popleft()
        while self._waiting and len(group) < GROUP:
            group += self._waiting.popleft()
        self._lag -= len(group)
        return group

    def _newer(self, group: Group) -> Group:
        newer = tuple(
            item for item in group if not isinstance(item, Recorded) or item.seq > self._cursor
        )
        return group if len(newer) == len(group) else newer


def _groups(items: Sequence[Item]) -> Iterator[Group]:
    for begin in range(0, len(items), GROUP):
        yield tuple(items[begin : begin + GROUP])


async def _pages(event_log: EventLog, talk: TalkId, after: int) -> AsyncIterator[list[Recorded]]:
    """All events with seq > `after`. Raises DatabaseDown."""
    while page := await event_log.read(talk, after, PAGE):
        yield page
        if len(page) < PAGE:
            return
        after = page[-1].seq


def _decoded(payload: str) -> tuple[int | None, Recorded | Ephemeral | Internal | None]:
    """A payload's seq and its event; no event for a hint, the "" of a reconnect, another version
    of kaiwa, or somebody else's message."""
    try:
        values = json.loads(payload)
        if not isinstance(values, dict):
            return None, None
        seq = values.get("seq")
        if not isinstance(seq, int):
            return None, None if "seq" in values or "type" not in values else decode_ephemeral(
                values
            )
    except ValueError:
        return None, None
    try:
        return seq, Recorded(seq=seq, event=decode_durable(values)) if "type" in values else None
    except ValueError:
        return seq, None
