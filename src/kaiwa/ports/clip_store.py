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
    async def put(self, talk: TalkId, voice: str, speech: Speech) -> ClipId:
        """Store the sound (as Ogg Opus); it belongs to one talk. Raises NotFound when that
        was deleted."""

    async def get(self, talk: TalkId, clip: ClipId, media_type: ClipFormat) -> Clip:
        """Raises NotFound, also for a clip of another talk."""
