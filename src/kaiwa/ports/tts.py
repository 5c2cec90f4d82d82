"""Server voices: the text of a clause in, sound out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kaiwa.domain.audio import Speech


@dataclass(frozen=True, slots=True)
class Voice:
    """`id` is `engine:name`; `language` is ISO 639-1."""

    id: str
    name: str
    language: str
    engine: str


class VoiceEngine(Protocol):
    """One way to speak; an engine has one or more voices."""

    @property
    def voices(self) -> Sequence[Voice]: ...

    async def speak(self, text: str, voice: Voice) -> Speech:
        """The sound of `text`, without silence before and after it; may be empty where the text
        has nothing to say. Raises VoiceDown."""

    async def ready(self) -> None:
        """Load what is needed; raises VoiceDown with the reason if it cannot be."""

    async def close(self) -> None: ...
