"""A recogniser that may become another one while people speak."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from kaiwa.errors import Conflict
from kaiwa.ports.asr import Recogniser, SegmentRecognition


@dataclass
class _Engine:
    recogniser: Recogniser
    segments: int = 0


class ChangingRecogniser:
    """`ports.asr.Recogniser`: a segment stays with the engine it began with.

    `build` makes an engine by the name of its weights, without loading them. `loading`: those that
    are to be used next.
    """

    def __init__(self, name: str, build: Callable[[str], Recogniser]) -> None:
        self.name = name
        self.loading: str | None = None
        self._build = build
        self._engine = _Engine(build(name))
        self._changing = asyncio.Lock()

    async def change(self, name: str) -> None:
        """Return when new segments are recognised by `name`. Raises RecogniserDown when it does not
        load, and Conflict while another one is loading; the engine stays as it was then."""
        if self._changing.locked():
            raise Conflict("another recogniser is being loaded; one at a time")
        async with self._changing:
            if name == self.name:
                return
            fresh = self._build(name)
            self.loading = name
            try:
                await fresh.ready()
            except BaseException:
                await fresh.close()
                raise
            finally:
                self.loading = None
            left, self._engine, self.name = self._engine, _Engine(fresh), name
            await self._close_unused(left)

    @asynccontextmanager
    async def segment(
        self, *, language: str | None, prompt: str = ""
    ) -> AsyncIterator[SegmentRecognition]:
        engine = self._engine
        engine.segments += 1
        try:
            async with engine.recogniser.segment(language=language, prompt=prompt) as segment:
                yield segment
        finally:
            engine.segments -= 1
            await self._close_unused(engine)

    async def ready(self) -> None:
        await self._engine.recogniser.ready()

    async def close(self) -> None:
        await self._engine.recogniser.close()

    async def _close_unused(self, engine: _Engine) -> None:
        if engine is not self._engine and not engine.segments:
            await engine.recogniser.close()
