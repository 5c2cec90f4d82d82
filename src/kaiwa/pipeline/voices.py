"""Which server voices there are, and which one speaks where nobody chose."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from kaiwa.ports.tts import Voice, VoiceEngine

DEFAULTS: Mapping[str, str] = {"ja": "kokoro:jf_alpha", "en": "hibari:heart"}
"""Language -> voice id. Other languages are spoken by the browser's own voice."""

_JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")


class VoiceBook:
    """The engines of this server, by voice."""

    def __init__(self, engines: Sequence[VoiceEngine]) -> None:
        self.engines = tuple(engines)
        self._found = {voice.id: (engine, voice) for engine in engines for voice in engine.voices}

    @property
    def voices(self) -> tuple[Voice, ...]:
        return tuple(voice for _, voice in self._found.values())

    def find(self, voice_id: str) -> tuple[VoiceEngine, Voice] | None:
        """The voice and the engine that speaks with it; None if this server has no such voice."""
        return self._found.get(voice_id)

    def default_for(self, language: str) -> tuple[VoiceEngine, Voice] | None:
        """The usual voice of a language, or else the first that speaks it.

        `language` is ISO 639-1; None means that the browser has to speak.
        """
        usual = self.find(DEFAULTS.get(language, ""))
        if usual is not None:
            return usual
        return next(
            (found for found in self._found.values() if found[1].language == language), None
        )

    def choose(self, setting: str, language: str, text: str) -> tuple[VoiceEngine, Voice] | None:
        """Who speaks a reply: `setting` and `language` as the talk has them, `text` so far.

        None means that this server stays silent, and the browser speaks if the talk wants it to.
        """
        if setting in ("browser", "none"):
            return None
        found = self.find(setting)
        if found is not None:
            return found
        return self.default_for(_language_of(text) if language == "auto" else language)


def _language_of(text: str) -> str:
    """Japanese where there is any kana or kanji; what else there is, English reads best."""
    return "ja" if _JAPANESE.search(text) else "en"
