"""Clips on request: those that were dropped are spoken again."""

from __future__ import annotations

import asyncio

from kaiwa.domain.ids import ClipId
from kaiwa.domain.talk import Talk
from kaiwa.errors import NotFound
from kaiwa.pipeline.voices import VoiceBook, prosody_of, spoken_language
from kaiwa.policy.speakable import speakable
from kaiwa.ports.clip_store import Clip, ClipFormat, ClipStore
from kaiwa.ports.event_log import EventLog


class Clips:
    """The clips of every talk, in this process."""

    def __init__(self, store: ClipStore, event_log: EventLog, voices: VoiceBook) -> None:
        self._store = store
        self._log = event_log
        self._voices = voices
        self._speaking = asyncio.Lock()  # old sound can wait; replies cannot

    async def get(self, talk: Talk, clip: ClipId, media_type: ClipFormat) -> Clip:
        """Raises NotFound for no clip of this talk, VoiceDown."""
        found = await self._store.find(talk.id, clip, media_type)
        if found is not None:
            return found
        async with self._speaking:
            found = await self._store.find(talk.id, clip, media_type)  # somebody was first
            if found is not None:
                return found
            await self._speak_again(talk, clip)
        found = await self._store.find(talk.id, clip, media_type)
        if found is None:
            raise NotFound("there is no such clip")
        return found

    async def _speak_again(self, talk: Talk, clip: ClipId) -> None:
        text = await self._log.clip_text(talk.id, clip)
        before = await self._store.voice(talk.id, clip)
        chosen = self._voices.find(before or "") or self._voices.choose(
            talk.voice, talk.language, text
        )
        if chosen is None:
            raise NotFound("this clip is gone, and this server has no voice to speak it again")
        voice = chosen[1]
        said = speakable(text, spoken_language(voice, text))
        speech = await self._voices.speak(said, voice, prosody_of(talk))
        await self._store.put(talk.id, voice.id, speech, clip)
