"""A voice without a model: a tone as long as the text."""

from __future__ import annotations

import asyncio

import numpy as np

from kaiwa.domain.audio import Speech
from kaiwa.errors import VoiceDown
from kaiwa.ports.tts import PLAIN, Prosody, Voice

RATE = 24_000
MS_PER_CHARACTER = 100
_TONE_HZ = 220.0
_LEVEL = 8_000


class ToneVoices:
    """`ports.tts.VoiceEngine`; `down` makes it fail, `spoken` is what it was asked to say."""

    prepares = True

    def __init__(self, language: str = "ja", name: str = "tone") -> None:
        self.name = name
        self.voices = (Voice(f"{name}:{language}", "Tone", language, name, "none", pitch=True),)
        self.down = False
        self.spoken: list[str] = []
        self.spoke = asyncio.Event()

    async def speak(self, text: str, voice: Voice, prosody: Prosody = PLAIN) -> Speech:
        if self.down:
            raise VoiceDown("The tone is down.")
        self.spoken.append(text)
        self.spoke.set()
        letters = sum(character.isalnum() for character in text)
        time = np.arange(int(letters * RATE * MS_PER_CHARACTER / prosody.speed) // 1000) / RATE
        tone = np.sin(2 * np.pi * _TONE_HZ * 2 ** (prosody.pitch / 12) * time)
        return Speech((tone * _LEVEL).astype(np.int16), RATE)

    async def ready(self) -> None:
        if self.down:
            raise VoiceDown("The tone is down.")

    async def close(self) -> None:
        """Nothing to close."""
