"""Voice servers that behave as documented: VOICEVOX ENGINE's API, and OpenAI's audio/speech."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from kaiwa.adapters.memory.tts import ToneVoices
from kaiwa.domain.audio import Samples, Speech, wav
from kaiwa.ports.tts import Prosody
from tests.fakes.http import Exchange, FakeModelServer

RATE = 24_000
_PAUSE = np.zeros(RATE // 10, np.int16)


async def _tone(text: str, speed: float, pitch: float) -> Samples:
    tones = ToneVoices()
    speech = await tones.speak(text, tones.voices[0], Prosody(speed, pitch))
    return np.concatenate([_PAUSE, speech.pcm, _PAUSE])


@dataclass
class FakeVoicevox(FakeModelServer):
    plans: list[dict[str, Any]] = field(default_factory=list)
    broken: bool = False

    async def handle(self, exchange: Exchange) -> None:
        request = exchange.request
        url = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if self.broken:
            await exchange.answer(500, {"detail": "Internal Server Error"})
        elif (request.method, url.path) == ("GET", "/speakers"):
            await exchange.answer(200, _SPEAKERS)
        elif query.get("speaker") not in ("3", "1"):
            await exchange.answer(422, {"detail": [{"loc": ["query", "speaker"]}]})
        elif (request.method, url.path) == ("POST", "/audio_query"):
            await exchange.answer(200, _QUERY | {"kana": query["text"]})
        elif (request.method, url.path) == ("POST", "/synthesis"):
            self.plans.append(request.json)
            plan = request.json
            pcm = await _tone(plan["kana"], plan["speedScale"], _semitones(plan))
            sound = wav(Speech(pcm, plan["outputSamplingRate"]))
            await exchange.answer_bytes("audio/wav", sound)
        else:
            await exchange.answer(404, {"detail": "Not Found"})


def _semitones(plan: dict[str, Any]) -> float:
    """What the engine does: the log frequencies of the moras times 2 ** pitchScale."""
    (phrase,) = plan["accent_phrases"]
    log_hz = phrase["moras"][0]["pitch"]
    return float(log_hz * (2 ** plan["pitchScale"] - 1) * 12 / math.log(2))


_SPEAKERS = [
    {
        "name": "ずんだもん",
        "speaker_uuid": "388f246b-8c41-4ac1-8e2d-5d79f3ff56d9",
        "styles": [
            {"name": "ノーマル", "id": 3, "type": "talk"},
            {"name": "あまあま", "id": 1},
            {"name": "ノーマル", "id": 3003, "type": "frame_decode"},
        ],
        "version": "0.16.0",
    }
]
_QUERY = {
    "accent_phrases": [
        {
            "moras": [
                {"text": "ハ", "consonant": "h", "vowel": "a", "vowel_length": 0.1, "pitch": 5.7},
                {"text": "ッ", "consonant": None, "vowel": "cl", "vowel_length": 0.1, "pitch": 0.0},
            ],
            "accent": 1,
            "pause_mora": None,
            "is_interrogative": False,
        }
    ],
    "speedScale": 1.0,
    "pitchScale": 0.0,
    "intonationScale": 1.0,
    "volumeScale": 1.0,
    "prePhonemeLength": 0.1,
    "postPhonemeLength": 0.1,
    "outputSamplingRate": 24_000,
    "outputStereo": False,
}


@dataclass
class FakeSpeech(FakeModelServer):
    key: str = ""

    async def handle(self, exchange: Exchange) -> None:
        request = exchange.request
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            await exchange.answer(401, {"error": {"message": "Incorrect API key provided"}})
        elif (request.method, request.path) != ("POST", "/v1/audio/speech"):
            await exchange.answer(404, {"error": {"message": "no such path"}})
        elif request.json["voice"] != "alloy" or request.json["response_format"] != "pcm":
            await exchange.answer(400, {"error": {"message": "Invalid voice"}})
        else:
            await exchange.begin("audio/pcm")
            sound = (await _tone(request.json["input"], request.json["speed"], 0)).tobytes()
            for at in range(0, len(sound), 4_801):  # pieces of odd length, as streams have
                await exchange.chunk(sound[at : at + 4_801])
            await exchange.end()
