"""Recordings as rows, kept as Ogg Opus."""

from __future__ import annotations

import asyncio

from kaiwa.adapters import opus
from kaiwa.adapters.postgres.database import Database, queries
from kaiwa.domain.audio import Samples, wav
from kaiwa.domain.ids import TalkId, UtteranceId
from kaiwa.errors import NotFound
from kaiwa.ports.clip_store import Clip, ClipFormat


class PostgresRecordings:
    """`ports.recordings.Recordings`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, talk: TalkId, utterance: UtteranceId, media_type: ClipFormat) -> Clip:
        data = await self._opus(talk, utterance)
        if media_type == "audio/ogg":
            return Clip(media_type, data)
        return Clip(media_type, wav(await asyncio.to_thread(opus.decode, data)))

    async def sound(self, talk: TalkId, utterance: UtteranceId) -> Samples:
        speech = await asyncio.to_thread(opus.decode, await self._opus(talk, utterance))
        return speech.pcm

    async def _opus(self, talk: TalkId, utterance: UtteranceId) -> bytes:
        async with self._database.connection() as connection:
            data = await queries.get_recording(connection, talk=talk, utterance=utterance)
        if data is None:
            raise NotFound("there is no sound of this utterance")
        return bytes(data)
