"""hibari: small English voices; one comes in its wheel, others only if they were downloaded."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
from hibari.voices import VOICES, voice_path

from kaiwa.adapters.voice_synthesis import Abort
from kaiwa.domain.audio import Samples, Speech
from kaiwa.policy.trim import join_sentences
from kaiwa.ports.tts import PLAIN, Prosody, Voice

if TYPE_CHECKING:
    from hibari import Hibari

    from kaiwa.adapters.voice_process import VoiceProcess

_ENGINE = "hibari"
_FIRST = "heart"  # the one in the wheel


class HibariVoices:
    """`ports.tts.VoiceEngine`; the process is its owner's to close."""

    name = _ENGINE
    prepares = True

    def __init__(self, process: VoiceProcess) -> None:
        self._process = process
        self.voices = tuple(
            Voice(f"{_ENGINE}:{name}", f"hibari {name.capitalize()}", "en", _ENGINE, "Apache-2.0")
            for name in sorted(VOICES, key=lambda name: (name != _FIRST, name))
            if _is_here(name)
        )

    async def speak(self, text: str, voice: Voice, prosody: Prosody = PLAIN) -> Speech:
        return await self._process.speak(voice, text, prosody)

    async def ready(self) -> None:
        await self._process.load(_ENGINE)

    async def close(self) -> None:
        """Nothing of its own to close."""


def _is_here(name: str) -> bool:
    """Whether the voice can be used without asking a network."""
    try:
        voice_path(name, download_missing=False)
    except FileNotFoundError:
        return False
    return True


class HibariSynthesiser:
    """Inside the voice child: a hundredth of the sound's length, too short to abort."""

    def __init__(self) -> None:
        self._loaded: dict[str, Hibari] = {}
        self._using = threading.Lock()
        self._voice(_FIRST)("Yes.")  # its lexicon loads on first use

    def speak(self, voice: str, text: str, prosody: Prosody, abort: Abort) -> Speech:
        del abort
        with self._using:
            hibari = self._voice(voice)
            sentences = (_pcm(sentence) for sentence in hibari.stream(text, prosody.speed))
            return Speech(join_sentences(sentences, hibari.sample_rate), hibari.sample_rate)

    def _voice(self, name: str) -> Hibari:
        from hibari import Hibari

        if name not in self._loaded:
            model = voice_path(name, download_missing=False)
            self._loaded[name] = Hibari(voice=name, model=model, threads=1)
        return self._loaded[name]


def _pcm(sound: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Samples:
    return np.asarray(np.clip(sound, -1, 1) * 32767, np.int16)
