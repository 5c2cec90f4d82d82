"""Voices behind OpenAI's `POST /v1/audio/speech`, as many servers have it (Kokoro-FastAPI, LocalAI,
Speaches, vLLM). Asked for `pcm`: 24 kHz, 16-bit, little-endian, mono, streamed."""

from __future__ import annotations

from collections.abc import Sequence

from kaiwa.adapters.voice_http import (
    RATE,
    fetch,
    new_client,
    silence,
    speech_of_pcm,
    speech_of_wav,
)
from kaiwa.adapters.voice_synthesis import has_words
from kaiwa.domain.audio import Speech
from kaiwa.ports.tts import ANY_LANGUAGE, PLAIN, Prosody, Voice

_ENGINE = "speech"
_WAV = b"RIFF"


class OpenAIVoices:
    """`ports.tts.VoiceEngine`; `url` as the chat model's, with or without `/v1`."""

    name = _ENGINE
    prepares = False  # it may cost money

    def __init__(self, url: str, *, api_key: str, model: str, names: Sequence[str]) -> None:
        headers = {"authorization": f"Bearer {api_key}"} if api_key else None
        self._client = new_client(url.rstrip("/").removesuffix("/v1"), headers)
        self._model = model
        self.voices = tuple(
            Voice(f"{_ENGINE}:{name}", name, ANY_LANGUAGE, _ENGINE, "as its server says")
            for name in names
        )

    async def speak(self, text: str, voice: Voice, prosody: Prosody = PLAIN) -> Speech:
        if not has_words(text):
            return silence()
        body = {
            "model": self._model,
            "voice": voice.id.removeprefix(f"{_ENGINE}:"),
            "input": text,
            "response_format": "pcm",
            "speed": prosody.speed,
        }
        request = self._client.build_request("POST", "/v1/audio/speech", json=body)
        sound = await fetch(self._client, request)
        return speech_of_wav(sound) if sound.startswith(_WAV) else speech_of_pcm(sound, RATE)

    async def ready(self) -> None:
        """There is nothing to ask that would not be spoken, and paid for."""

    async def close(self) -> None:
        await self._client.aclose()
