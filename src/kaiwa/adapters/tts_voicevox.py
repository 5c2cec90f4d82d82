"""VOICEVOX ENGINE and what speaks its protocol (AivisSpeech, COEIROINK v2's bridge, SHAREVOX).

`GET /speakers` names the voices, `POST /audio_query` plans a text, `POST /synthesis` speaks it.
"""

from __future__ import annotations

import json
from typing import Any

from kaiwa.adapters.voice_http import RATE, fetch, new_client, silence, speech_of_wav
from kaiwa.adapters.voice_synthesis import has_words
from kaiwa.domain.audio import Speech
from kaiwa.errors import VoiceDown
from kaiwa.ports.tts import PLAIN, Prosody, Voice

_ENGINE = "voicevox"
_SEMITONES = 12  # pitchScale is in octaves
_TALK = "talk"


class VoicevoxVoices:
    """`ports.tts.VoiceEngine`; knows its voices once it is ready."""

    name = _ENGINE
    prepares = True

    def __init__(self, url: str) -> None:
        self._client = new_client(url)
        self.voices: tuple[Voice, ...] = ()

    async def speak(self, text: str, voice: Voice, prosody: Prosody = PLAIN) -> Speech:
        if not has_words(text):
            return silence()
        style = voice.id.removeprefix(f"{_ENGINE}:")
        query = await self._post("/audio_query", {"speaker": style, "text": text})
        plan = _json(query)
        if not isinstance(plan, dict):
            raise VoiceDown("The voice server speaks another protocol than VOICEVOX.")
        plan |= {
            "speedScale": prosody.speed,
            "pitchScale": prosody.pitch / _SEMITONES,
            "outputSamplingRate": RATE,
            "outputStereo": False,
        }
        return speech_of_wav(await self._post("/synthesis", {"speaker": style}, plan))

    async def ready(self) -> None:
        answer = await fetch(self._client, self._client.build_request("GET", "/speakers"))
        try:
            self.voices = tuple(_voices(_json(answer)))
        except (KeyError, TypeError, AttributeError) as error:
            raise VoiceDown("The voice server speaks another protocol than VOICEVOX.") from error

    async def close(self) -> None:
        await self._client.aclose()

    async def _post(self, path: str, params: dict[str, str], body: Any = None) -> bytes:
        request = self._client.build_request("POST", path, params=params, json=body)
        return await fetch(self._client, request)


def _voices(speakers: Any) -> list[Voice]:
    return [
        Voice(
            id=f"{_ENGINE}:{style['id']}",
            name=f"{speaker['name']}（{style['name']}）",
            language="ja",
            engine=_ENGINE,
            licence=f"as its maker says; name it as VOICEVOX:{speaker['name']}",
            pitch=True,
        )
        for speaker in speakers
        for style in speaker["styles"]
        if style.get("type", _TALK) == _TALK  # others sing
    ]


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise VoiceDown("The voice server did not answer in JSON.") from error
