"""Wake-ups: something happened in a talk, maybe in another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kaiwa.domain.ids import TalkId


class Wakeups(Protocol):
    """One connection per process, whatever the number of its readers."""

    async def listen(self, talk: TalkId, on_payload: Callable[[str], None]) -> None:
        """Call back for each payload sent to the talk from now on.

        The payload is the JSON of an event, `{"seq": N}`, or "" after a reconnect, when anything
        may have been missed. Returns once listening has begun. The callback must not block.
        """

    async def unlisten(self, talk: TalkId, on_payload: Callable[[str], None]) -> None: ...


class Bus(Wakeups, Protocol):
    """Wake-ups that do not travel with the rows, but beside them, once these are committed."""

    async def send(self, talk: TalkId, payload: str) -> None:
        """Wake every reader of the talk. Raises nothing: what cannot be sent is dropped."""
