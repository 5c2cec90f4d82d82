"""OpenJTalk: the fast plain Japanese voice, from the wheel of pyopenjtalk-plus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kaiwa.adapters.voice_synthesis import OPENJTALK, Abort
from kaiwa.domain.audio import Speech
from kaiwa.policy.trim import trim_silence
from kaiwa.ports.tts import PLAIN, Prosody, Voice

if TYPE_CHECKING:
    from kaiwa.adapters.voice_process import VoiceProcess

_ENGINE = "openjtalk"
_LOUDEST = 32_000.0


class OpenJTalkVoices:
    """`ports.tts.VoiceEngine`; the process is its owner's to close."""

    name = _ENGINE
    prepares = True

    def __init__(self, process: VoiceProcess) -> None:
        self._process = process
        mei = Voice(f"{_ENGINE}:mei", "Mei (OpenJTalk)", "ja", _ENGINE, "CC BY 3.0", pitch=True)
        self.voices = (mei,)

    async def speak(self, text: str, voice: Voice, prosody: Prosody = PLAIN) -> Speech:
        return await self._process.speak(voice, text, prosody)

    async def ready(self) -> None:
        await self._process.load(_ENGINE)

    async def close(self) -> None:
        """Nothing of its own to close."""


class OpenJTalkSynthesiser:
    """Inside the voice child: about a thirtieth of the sound's length, too short to abort."""

    def __init__(self) -> None:
        import pyopenjtalk

        from kaiwa.adapters.voice_reading import with_kana

        self._speak, self._with_kana = pyopenjtalk.tts, with_kana
        with OPENJTALK:
            self._speak("あ")  # its dictionaries load on first use

    def speak(self, voice: str, text: str, prosody: Prosody, abort: Abort) -> Speech:
        del voice, abort  # it has one voice
        with OPENJTALK:
            sound, rate = self._speak(
                self._with_kana(text), speed=prosody.speed, half_tone=prosody.pitch
            )
        # in 16-bit units, but beyond their range at times
        peak = float(np.abs(sound).max(initial=0.0))
        pcm = (sound * min(1.0, _LOUDEST / max(peak, 1.0))).astype(np.int16)
        return Speech(trim_silence(pcm, int(rate)), int(rate))
