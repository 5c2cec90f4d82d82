"""What was said in the talks that are being answered, so that it is read from the log once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from kaiwa.domain.events import Recorded
from kaiwa.domain.ids import TalkId
from kaiwa.errors import NotFound
from kaiwa.ports.event_log import EventLog

TALKS_KEPT: Final = 16


@dataclass(slots=True)
class _History:
    erasures: int
    events: list[Recorded] = field(default_factory=list)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Histories:
    """The events of the talks asked for last."""

    def __init__(self, event_log: EventLog) -> None:
        self._log = event_log
        self._kept: OrderedDict[TalkId, _History] = OrderedDict()

    async def of(self, talk: TalkId) -> Sequence[Recorded]:
        """All durable events of a talk, in order; only the new ones are read, until some are
        erased. Raises NotFound, DatabaseDown.
        """
        try:
            erasures = await self._log.erasures(talk)
        except NotFound:
            self._kept.pop(talk, None)
            raise
        if talk not in self._kept or self._kept[talk].erasures != erasures:
            self._kept[talk] = _History(erasures)
        history = self._kept[talk]
        self._kept.move_to_end(talk)
        while len(self._kept) > TALKS_KEPT:
            self._kept.popitem(last=False)
        async with history.reading:
            events = history.events
            while page := await self._log.read(talk, events[-1].seq if events else 0):
                events += page
            return tuple(events)
