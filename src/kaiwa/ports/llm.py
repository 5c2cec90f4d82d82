"""The chat model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from kaiwa.domain.chat import ChatMessage

__all__ = ["ChatMessage", "ChatModel", "ChatModelInfo"]


@dataclass(frozen=True, slots=True)
class ChatModelInfo:
    """A model the server can use; `size` in bytes, 0 where unknown."""

    name: str
    size: int = 0


class ChatModel(Protocol):
    """A server of chat models."""

    @property
    def kind(self) -> str:
        """Which backend this is: embedded, openai, ollama."""

    def stream(
        self, messages: Sequence[ChatMessage], *, model: str = "", talk: str = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """Open a reply: the iterator gives its text in pieces as the model makes them.

        `model` empty means the default. `talk` lets the backend keep one prompt cache per talk.
        Leaving the block stops the model. Raises ModelDown (nobody answers, the queue is full, the
        server reports an error or stalls) on entering or while iterating.
        """

    @property
    def prefills(self) -> bool:
        """Whether `prefill` is of use: the backend keeps one prompt cache per talk."""

    @property
    def continues(self) -> bool:
        """Whether a last message of role assistant is the beginning of the reply: the model goes on
        from there, and gives what it adds."""

    async def prefill(self, messages: Sequence[ChatMessage], *, talk: str) -> None:
        """Read what the prompt of a reply will soon begin with, so that the reply begins sooner.

        Does nothing where it is of no use. Raises ModelDown.
        """

    async def models(self) -> list[ChatModelInfo]:
        """What can be asked for by name; the default first. Raises ModelDown."""

    async def ready(self) -> None:
        """Return when the model can answer; raises ModelDown with the reason."""

    async def close(self) -> None: ...
