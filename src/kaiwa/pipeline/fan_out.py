"""From one wake-up connection to many readers, each with a cursor of its own.

Rows are the truth. A wake-up's payload is used as it stands only when it is the very next event;
otherwise rows are read. A slow timer reads too, so that a lost wake-up costs seconds, never events.
A thousand readers of a talk are as many queues, but one decoding of each payload and one query.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import structlog

from kaiwa.domain.events import Ephemeral, Internal, Recorded, decode_durable, decode_ephemeral
from kaiwa.domain.ids import TalkId
from kaiwa.errors import DatabaseDown, Unavailable
from kaiwa.ports.event_log import EventLog
from kaiwa.ports.wakeup import Wakeups

QUEUE_SIZE: Final = 1_000
"""Events a reader may lag; then it is cut off, and resumes from its cursor."""
SLOW_TIMER_S: Final = 5.0
PAGE: Final = 500
SHARED: Final = 16
"""Rows that are kept for others; a longer page is a reader's own."""
DECODED: Final = 256
"""Payloads kept decoded: all readers of a talk get each of them within moments."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ready:
    """The backlog is over; what follows is live."""

    seq: int


Item = Recorded | Ephemeral | Internal | Ready


class TooSlow(Unavailable):
    """This reader did not keep up; it should come back with its cursor."""

    code = "too_slow"


class FanOut:
    """All readers of this process."""

    def __init__(self, event_log: EventLog, wakeups: Wakeups) -> None:
        self._log = event_log
        self._wakeups = wakeups
        self._talks: dict[TalkId, _Rows] = {}
        self._readers: set[_Reader] = set()
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def subscribe(self, talk: TalkId, after: int) -> AsyncIterator[AsyncIterator[Item]]:
        """Read a talk from `after`: the backlog, `Ready`, then what happens.

        The iterator raises TooSlow when the reader does not keep up, NotFound for no such talk.
        A database that is away is waited for.
        """
        rows = self._talks.setdefault(talk, _Rows(self._log, talk))
        rows.readers += 1
        reader = _Reader(self._log, rows, after)
        self._readers.add(reader)
        if self._timer is None:
            self._wait()
        try:
            await self._wakeups.listen(talk, reader.on_payload)
            try:
                async with aclosing(reader.items()) as items:
                    yield items
            finally:
                await self._wakeups.unlisten(talk, reader.on_payload)
        finally:
            self._leave(reader, rows)

    def _leave(self, reader: _Reader, rows: _Rows) -> None:
        self._readers.discard(reader)
        rows.readers -= 1
        if not rows.readers:
            del self._talks[rows.talk]
        if not self._readers and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(SLOW_TIMER_S, self._wake_all)

    def _wake_all(self) -> None:
        for reader in self._readers:
            if not reader.is_behind:
                reader.on_payload("")
        self._wait()


class _Rows:
    """A talk's newest rows, for readers that were woken together."""

    def __init__(self, event_log: EventLog, talk: TalkId) -> None:
        self.talk = talk
        self.readers = 0
        self._log = event_log
        self._reading = asyncio.Lock()
        self._after, self._asked_at = -1, 0.0
        self._page: list[Recorded] = []
        self._error: DatabaseDown | None = None

    async def after(self, seq: int, since: float) -> list[Recorded]:
        """At most PAGE events with seq > `seq`, asked for no earlier than `since` (monotonic).

        Raises DatabaseDown.
        """
        async with self._reading:
            if self._after != seq or self._asked_at < since:
                asked_at, error, page = time.monotonic(), None, []
                try:
                    page = await self._log.read(self.talk, seq, PAGE)
                except DatabaseDown as down:
                    error = down
                self._after, self._asked_at, self._error = seq, asked_at, error
                self._page = page if len(page) <= SHARED else []
                if len(page) > SHARED:
                    self._after = -1
                    return page
            if self._error is not None:
                raise DatabaseDown(self._error.message)
            return self._page


class _Reader:
    def __init__(self, event_log: EventLog, rows: _Rows, after: int) -> None:
        self._log = event_log
        self._rows = rows
        self._cursor = after
        self._payloads: asyncio.Queue[tuple[str, float]] = asyncio.Queue(QUEUE_SIZE)
        self._overflowed = False

    @property
    def is_behind(self) -> bool:
        return not self._payloads.empty()

    def on_payload(self, payload: str) -> None:
        try:
            self._payloads.put_nowait((payload, time.monotonic()))
        except asyncio.QueueFull:
            self._overflowed = True

    async def items(self) -> AsyncGenerator[Item, None]:
        talk = self._rows.talk
        while True:
            try:
                head = await self._log.head(talk)
                self._cursor = min(self._cursor, head)  # one from the future would hide what comes
                async for recorded in self._backlog():
                    yield recorded
                break
            except DatabaseDown:
                log.info("fan_out_waits_for_database", talk=talk)
            await self._woken()
        yield Ready(self._cursor)
        while True:
            payload, came_at = await self._woken()
            seq, item = _decoded(payload)
            if item is not None and seq is None:
                yield item
            elif seq is not None and seq <= self._cursor:
                continue  # read already
            elif item is not None and seq == self._cursor + 1:
                self._cursor = seq
                yield item
            else:
                try:
                    async for recorded in self._newest(came_at):
                        yield recorded
                except DatabaseDown:
                    log.info("fan_out_waits_for_database", talk=talk)

    async def _woken(self) -> tuple[str, float]:
        """The next payload, and when it came. Raises TooSlow."""
        woken = await self._payloads.get()
        if self._overflowed:
            raise TooSlow("this reader is too slow; resume from the last event")
        return woken

    async def _backlog(self) -> AsyncIterator[Recorded]:
        while True:
            page = await self._log.read(self._rows.talk, self._cursor, PAGE)
            for recorded in page:
                self._cursor = recorded.seq
                yield recorded
            if len(page) < PAGE:
                return

    async def _newest(self, since: float) -> AsyncIterator[Recorded]:
        while True:
            page = await self._rows.after(self._cursor, since)
            for recorded in page:
                self._cursor = recorded.seq
                yield recorded
            if len(page) < PAGE:
                return


@lru_cache(DECODED)
def _decoded(payload: str) -> tuple[int | None, Recorded | Ephemeral | Internal | None]:
    """A payload's seq and its event; no event for a hint, the "" of a reconnect, another version
    of kaiwa, or somebody else's message. All readers get the same objects."""
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
