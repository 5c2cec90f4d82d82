"""Summaries in this process's memory; for tests and nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from kaiwa.adapters.memory.event_log import MemoryEventLog
from kaiwa.domain.ids import TalkId
from kaiwa.errors import NotFound


class MemorySummaries:
    """`ports.summaries.Summaries`."""

    def __init__(self, log: MemoryEventLog) -> None:
        self._log = log
        self._texts: defaultdict[TalkId, dict[str, str]] = defaultdict(dict)
        self._erasures: dict[TalkId, int] = {}

    async def of(self, talk: TalkId) -> Mapping[str, str]:
        return dict(self._texts[talk]) if await self._is_as_it_was(talk) else {}

    async def put(
        self, talk: TalkId, digest: str, text: str, *, erasures: int, wanted: Collection[str]
    ) -> None:
        self._erasures[talk] = erasures
        if await self._is_as_it_was(talk):
            texts = self._texts[talk] | {digest: text}
            self._texts[talk] = {key: texts[key] for key in texts if key in (*wanted, digest)}

    async def _is_as_it_was(self, talk: TalkId) -> bool:
        try:
            return await self._log.erasures(talk) == self._erasures.get(talk, 0)
        except NotFound:
            return False
