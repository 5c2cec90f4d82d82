"""A voice without a model: a tone as long as the text."""

from __future__ import annotations

import asyncio

import numpy as np

from kaiwa.domain.audio import Speech
from kaiwa.errors import VoiceDown
from kaiwa.ports.tts import Voice

RATE = 24_000
MS_PER_CHARACTER = 100
_TONE_HZ = 220.0
_LEVEL = 8_000


class ToneVoices:
    """`ports.tts.VoiceEngine`; `down` makes it fail, `spoken` is what it was asked to say."""

    def __init__(self, language: str = "ja") -> None:
        self.voices = (Voice(f"tone:{language}", "Tone", language, "tone"),)
        self.down = False
        self.spoken: list[str] = []
        self.spoke = asyncio.Event()

    async def speak(self, text: str, voice: Voice) -> Speech:
        if self.down:
            raise VoiceDown("The tone is down.")
        self.spoken.append(text)
        self.spoke.set()
        letters = sum(character.isalnum() for character in text)
        time = np.arange(letters * RATE * MS_PER_CHARACTER // 1000) / RATE
        return Speech((np.sin(2 * np.pi * _TONE_HZ * time) * _LEVEL).astype(np.int16), RATE)

    async def ready(self) -> None:
        if self.down:
            raise VoiceDown("The tone is down.")

    async def close(self) -> None:
        """Nothing to close."""
