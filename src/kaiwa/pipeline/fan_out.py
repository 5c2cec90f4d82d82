"""From one wake-up connection to many readers, each with a cursor of its own.

Rows are the truth. A wake-up's payload is used as it stands only when it is the very next event;
otherwise rows are read. A slow timer reads too, so that a lost wake-up costs seconds, never events.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

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

    @asynccontextmanager
    async def subscribe(self, talk: TalkId, after: int) -> AsyncIterator[AsyncIterator[Item]]:
        """Read a talk from `after`: the backlog, `Ready`, then what happens.

        The iterator raises TooSlow when the reader does not keep up, NotFound for no such talk.
        A database that is away is waited for.
        """
        reader = _Reader(self._log, talk, after)
        await self._wakeups.listen(talk, reader.on_payload)
        try:
            async with aclosing(reader.items()) as items:
                yield items
        finally:
            await self._wakeups.unlisten(talk, reader.on_payload)


class _Reader:
    def __init__(self, event_log: EventLog, talk: TalkId, after: int) -> None:
        self._log = event_log
        self._talk = talk
        self._cursor = after
        self._payloads: asyncio.Queue[str] = asyncio.Queue(QUEUE_SIZE)
        self._overflowed = False

    def on_payload(self, payload: str) -> None:
        try:
            self._payloads.put_nowait(payload)
        except asyncio.QueueFull:
            self._overflowed = True

    async def items(self) -> AsyncGenerator[Item, None]:
        while True:
            try:
                head = await self._log.head(self._talk)
                self._cursor = min(self._cursor, head)  # one from the future would hide what comes
                async for recorded in self._rows():
                    yield recorded
                break
            except DatabaseDown:
                log.info("fan_out_waits_for_database", talk=self._talk)
            await self._next_payload()
        yield Ready(self._cursor)
        while True:
            values = _parse(await self._next_payload())
            item = self._next(values)
            if item is not None:
                yield item
                continue
            if isinstance(values.get("seq"), int) and values["seq"] <= self._cursor:
                continue  # read already
            try:
                async for recorded in self._rows():
                    yield recorded
            except DatabaseDown:
                log.info("fan_out_waits_for_database", talk=self._talk)

    async def _next_payload(self) -> str:
        """What came, or "" when nothing did for a while. Raises TooSlow."""
        try:
            async with asyncio.timeout(SLOW_TIMER_S):  # wait_for may swallow a cancellation
                payload = await self._payloads.get()
        except TimeoutError:
            payload = ""
        if self._overflowed:
            raise TooSlow("this reader is too slow; resume from the last event")
        return payload

    async def _rows(self) -> AsyncIterator[Recorded]:
        while True:
            page = await self._log.read(self._talk, self._cursor, PAGE)
            for recorded in page:
                self._cursor = recorded.seq
                yield recorded
            if len(page) < PAGE:
                return

    def _next(self, values: dict[str, Any]) -> Recorded | Ephemeral | Internal | None:
        """The event in the payload, if it may be used as it stands."""
        try:
            if "type" not in values:
                return None
            if "seq" not in values:
                return decode_ephemeral(values)
            if values["seq"] != self._cursor + 1:
                return None
            recorded = Recorded(seq=values["seq"], event=decode_durable(values))
        except ValueError:  # another version of kaiwa
            return None
        self._cursor = recorded.seq
        return recorded


def _parse(payload: str) -> dict[str, Any]:
    """The payload's values; nothing for the "" of a reconnect, or for somebody else's NOTIFY."""
    try:
        values = json.loads(payload)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
