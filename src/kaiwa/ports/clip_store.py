"""Clips: the sound of spoken clauses, readable from every process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from kaiwa.domain.audio import Speech
from kaiwa.domain.ids import ClipId, TalkId

ClipFormat = Literal["audio/wav", "audio/ogg"]


@dataclass(frozen=True, slots=True)
class Clip:
    media_type: ClipFormat
    data: bytes


class ClipStore(Protocol):
    async def put(self, talk: TalkId, voice: str, speech: Speech, clip: ClipId) -> None:
        """Store the sound of a clip (as Ogg Opus), a new one or one whose sound was dropped; it
        belongs to one talk. Raises NotFound when that was deleted."""

    async def find(self, talk: TalkId, clip: ClipId, media_type: ClipFormat) -> Clip | None:
        """None for no such clip, one of another talk, and one whose sound was dropped."""

    async def voice(self, talk: TalkId, clip: ClipId) -> str | None:
        """Who spoke it; None for no such clip."""
