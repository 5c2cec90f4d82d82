"""Server voices: the text of a clause in, sound out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kaiwa.domain.audio import Speech

ANY_LANGUAGE = "mul"
"""ISO 639-2 for a voice that speaks whatever language its text is in."""


@dataclass(frozen=True, slots=True)
class Voice:
    """`id` is `engine:name`; `language` is ISO 639-1 or ANY_LANGUAGE."""

    id: str
    name: str
    language: str
    engine: str
    licence: str
    speed: bool = True
    """Whether it can be made faster and slower."""
    pitch: bool = False


@dataclass(frozen=True, slots=True)
class Prosody:
    """How a voice speaks: `speed` times its own, `pitch` in semitones above its own."""

    speed: float = 1.0
    pitch: float = 0.0


PLAIN = Prosody()


class VoiceEngine(Protocol):
    """One way to speak; an engine has one or more voices."""

    name: str
    prepares: bool
    """Whether it may speak in advance what may never be needed: it costs only idle time."""

    @property
    def voices(self) -> Sequence[Voice]:
        """None before `ready` where a server has to be asked for them."""

    async def speak(self, text: str, voice: Voice, prosody: Prosody = PLAIN) -> Speech:
        """The sound of `text`, without silence before and after it; may be empty where the text
        has nothing to say. What the voice cannot change of its prosody stays. Raises VoiceDown."""

    async def ready(self) -> None:
        """Load what is needed; raises VoiceDown with the reason if it cannot be."""

    async def close(self) -> None: ...
