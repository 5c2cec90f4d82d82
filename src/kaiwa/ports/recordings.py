"""The sound of utterances in talks that are recorded; `EventLog.append` stores it."""

from __future__ import annotations

from typing import Protocol

from kaiwa.domain.audio import Samples
from kaiwa.domain.ids import TalkId, UtteranceId
from kaiwa.ports.clip_store import Clip, ClipFormat


class Recordings(Protocol):
    """Raises DatabaseDown; NotFound for what was not recorded, was erased, or is another talk's."""

    async def find(self, talk: TalkId, utterance: UtteranceId, media_type: ClipFormat) -> Clip: ...

    async def sound(self, talk: TalkId, utterance: UtteranceId) -> Samples: ...
