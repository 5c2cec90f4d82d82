"""Work that can wait, done while nobody needs the machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from kaiwa.pipeline.voices import VoiceBook

QUIET_S: Final = 5.0  # since anybody spoke or a reply was made


class SpareTime:
    """When nobody has spoken for a while and no reply is being made, as the book knows it."""

    def __init__(self, book: VoiceBook, quiet_s: float = QUIET_S) -> None:
        self._book = book
        self._quiet_s = quiet_s
        self._changed = asyncio.Event()
        self._working: asyncio.Task[None] | None = None
        book.on_disturbed.append(self._stop)

    async def use(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Wait for it and do the work; False where it was dropped because somebody came."""
        await self._quiet()
        working = self._working = asyncio.ensure_future(work())
        try:
            await asyncio.wait([working])
            if working.cancelled():
                return False
            working.result()
            return True
        finally:
            self._working = None
            working.cancel()
            await asyncio.wait([working])  # it ends before whoever wanted it does

    async def disturbed(self) -> None:
        """Return when somebody spoke, or a reply was begun or ended."""
        self._changed.clear()
        await self._changed.wait()

    async def _quiet(self) -> None:
        while True:
            left_s = self._book.disturbed_at + self._quiet_s - time.monotonic()
            if self._book.replies:
                await self.disturbed()
            elif left_s > 0:
                await asyncio.sleep(left_s)
            else:
                return

    def _stop(self) -> None:
        self._changed.set()
        if self._working is not None:
            self._working.cancel()
