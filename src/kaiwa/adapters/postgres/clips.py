"""Clips as rows, so that every process can read them; kept as Ogg Opus."""

from __future__ import annotations

import asyncio

from kaiwa.adapters import opus
from kaiwa.adapters.postgres.database import Database, queries
from kaiwa.domain.audio import Speech, wav
from kaiwa.domain.ids import ClipId, TalkId
from kaiwa.errors import NotFound
from kaiwa.ports.clip_store import Clip, ClipFormat


class PostgresClipStore:
    """`ports.clip_store.ClipStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, talk: TalkId, voice: str, speech: Speech, clip: ClipId) -> None:
        data = await asyncio.to_thread(opus.encode, speech)
        async with self._database.connection() as connection:
            stored = await queries.put_clip(connection, id=clip, talk=talk, voice=voice, opus=data)
        if stored is None:
            raise NotFound("there is no such talk")

    async def find(self, talk: TalkId, clip: ClipId, media_type: ClipFormat) -> Clip | None:
        async with self._database.connection() as connection:
            data = await queries.get_clip(connection, id=clip, talk=talk)
        if data is None:
            return None
        if media_type == "audio/ogg":
            return Clip(media_type, bytes(data))
        return Clip(media_type, await asyncio.to_thread(_as_wav, bytes(data)))

    async def voice(self, talk: TalkId, clip: ClipId) -> str | None:
        async with self._database.connection() as connection:
            voice: str | None = await queries.clip_voice(connection, id=clip, talk=talk)
        return voice


def _as_wav(data: bytes) -> bytes:
    return wav(opus.decode(data))
