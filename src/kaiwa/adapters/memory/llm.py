"""A chat model that says what it is told to: for tests, and for a look at the page without one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from kaiwa.errors import ModelDown
from kaiwa.ports.llm import ChatMessage, ChatModelInfo


@dataclass(frozen=True, slots=True)
class Fail:
    """The model fails here: as the first step before anything is said, else in the middle."""

    message: str = "The scripted chat model failed"


@dataclass(frozen=True, slots=True)
class Hold:
    """The model says nothing more until `until` is set: slow, or stalled if it never is."""

    until: asyncio.Event


Step = str | Fail | Hold
"""A piece of text, or what goes wrong instead."""


class ScriptedChatModel:
    """The n-th call plays the n-th reply; the last reply is played again and again."""

    kind = "scripted"
    prefills = True

    def __init__(
        self,
        *replies: Sequence[Step],
        names: Sequence[str] = ("scripted",),
        stall_s: float = 30.0,
        continues: bool = False,
    ) -> None:
        self.continues = continues
        self.replies = list(replies)
        self.asked: list[list[ChatMessage]] = []
        """The messages of each call."""
        self.prefilled: list[list[ChatMessage]] = []
        """The messages of each prefill."""
        self.was_prefilled = asyncio.Event()
        self.left = asyncio.Event()
        """Set when a block was left before its reply had ended."""
        self.running = 0
        """Blocks that are open now."""
        self._names = names
        self._stall_s = stall_s

    @asynccontextmanager
    async def stream(
        self, messages: Sequence[ChatMessage], *, model: str = "", talk: str = ""
    ) -> AsyncIterator[AsyncIterator[str]]:
        if model and model not in self._names:
            raise ModelDown(f"The scripted chat model has no model {model}")
        steps = self.replies[min(len(self.asked), len(self.replies) - 1)] if self.replies else ()
        self.asked.append(list(messages))
        if steps and isinstance(steps[0], Fail):
            raise ModelDown(steps[0].message)
        ended = False

        async def play() -> AsyncGenerator[str, None]:
            nonlocal ended
            for step in steps:
                if isinstance(step, str):
                    await asyncio.sleep(0)
                    yield step
                else:
                    await self._trouble(step)
            ended = True

        self.running += 1
        try:
            async with aclosing(play()) as pieces:
                yield pieces
        finally:
            self.running -= 1
            if not ended:
                self.left.set()

    async def prefill(self, messages: Sequence[ChatMessage], *, talk: str) -> None:
        del talk
        self.prefilled.append(list(messages))
        self.was_prefilled.set()

    async def models(self) -> list[ChatModelInfo]:
        return [ChatModelInfo(name) for name in self._names]

    async def ready(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def _trouble(self, step: Fail | Hold) -> None:
        if isinstance(step, Fail):
            raise ModelDown(step.message)
        try:
            async with asyncio.timeout(self._stall_s):
                await step.until.wait()
        except TimeoutError:
            raise ModelDown("The scripted chat model stopped answering") from None
