"""VOICEVOX ENGINE and what speaks its protocol, such as AivisSpeech.

`GET /speakers` names the voices, `POST /audio_query` plans a text, `POST /synthesis` speaks it.
"""

from __future__ import annotations

import json
import math
from typing import Any

from kaiwa.adapters.voice_http import RATE, fetch, new_client, silence, speech_of_wav
from kaiwa.adapters.voice_synthesis import has_words
from kaiwa.domain.audio import Speech
from kaiwa.errors import VoiceDown
from kaiwa.ports.tts import PLAIN, Prosody, Voice

_ENGINE = "voicevox"
_SEMITONE = math.log(2) / 12  # in the logarithm of the frequency
_UNVOICED = 1.0  # no voice is as low as e Hz
_TALK = "talk"
_OTHER_PROTOCOL = "The voice server speaks another protocol than VOICEVOX."


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
        try:
            plan |= {
                "speedScale": prosody.speed,
                "pitchScale": _pitch_scale(plan, prosody.pitch),
                "outputSamplingRate": RATE,
                "outputStereo": False,
            }
        except (KeyError, TypeError) as error:
            raise VoiceDown(_OTHER_PROTOCOL) from error
        return speech_of_wav(await self._post("/synthesis", {"speaker": style}, plan))

    async def ready(self) -> None:
        answer = await fetch(self._client, self._client.build_request("GET", "/speakers"))
        try:
            self.voices = tuple(_voices(_json(answer)))
        except (KeyError, TypeError, AttributeError) as error:
            raise VoiceDown(_OTHER_PROTOCOL) from error

    async def close(self) -> None:
        await self._client.aclose()

    async def _post(self, path: str, params: dict[str, str], body: Any = None) -> bytes:
        request = self._client.build_request("POST", path, params=params, json=body)
        return await fetch(self._client, request)


def _pitch_scale(plan: dict[str, Any], semitones: float) -> float:
    """VOICEVOX multiplies each mora's log frequency by 2 to the power of it; AivisSpeech, whose
    plans have no pitches, the frequency by 1 plus it."""
    moras = [mora for phrase in plan["accent_phrases"] for mora in phrase["moras"]]
    voiced = [mora["pitch"] for mora in moras if mora["pitch"] > _UNVOICED]
    if not voiced:
        return math.exp(semitones * _SEMITONE) - 1
    mean = sum(voiced) / len(voiced)
    return math.log2(1 + semitones * _SEMITONE / mean)


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
