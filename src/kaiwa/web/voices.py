"""The voices of this server, and how they sound."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from kaiwa.domain.audio import wav
from kaiwa.errors import NotFound, VoiceDown
from kaiwa.pipeline.voices import VoiceBook
from kaiwa.policy.speakable import speakable
from kaiwa.ports.tts import Prosody, Voice
from kaiwa.web.asking import Asker, Asking

router = APIRouter(tags=["the agent"])

SAMPLES: Final = {
    "ja": "こんにちは。今日はいい天気ですね。",
    "en": "Hello. It is a lovely day today.",
}
"""Language -> what a voice says of itself; voices of any language speak English."""

ASK_S: Final = 3.0  # for the voices of a server that was away


@router.get("/voices")
async def voices(services: Asking, user: Asker) -> dict[str, Any]:
    await _meet(services.voices)
    return {"voices": [_shown(voice) for voice in services.voices.voices]}


@router.get("/voices/{voice_id}/sample")
async def sample(
    voice_id: str,
    services: Asking,
    user: Asker,
    speed: Annotated[float, Query(ge=0.5, le=2.0)] = 1.0,
    pitch: Annotated[float, Query(ge=-12, le=12)] = 0.0,
) -> Response:
    """A sentence in that voice, as WAV; as fast and as high as a talk would have it."""
    found = services.voices.find(voice_id)
    if found is None:
        raise NotFound("there is no such voice here")
    voice = found[1]
    language = voice.language if voice.language in SAMPLES else "en"
    services.voices.disturb()
    text = speakable(SAMPLES[language], language)
    speech = await services.voices.speak(text, voice, Prosody(speed, pitch))
    return Response(
        wav(speech), media_type="audio/wav", headers={"cache-control": "private, max-age=86400"}
    )


def _shown(voice: Voice) -> dict[str, Any]:
    return {
        "id": voice.id,
        "name": voice.name,
        "language": voice.language,
        "engine": voice.engine,
        "licence": voice.licence,
        "speed": voice.speed,
        "pitch": voice.pitch,
        "sample": f"/voices/{voice.id}/sample",
    }


async def _meet(book: VoiceBook) -> None:
    """Ask those engines for their voices that could not name them yet."""
    for engine in book.engines:
        if not engine.voices:
            try:
                async with asyncio.timeout(ASK_S):
                    await engine.ready()
            except (VoiceDown, TimeoutError):
                continue
