"""Which server voices there are, which one speaks a reply, and which one after that failed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog

from kaiwa.domain.audio import Speech
from kaiwa.domain.talk import TalkSettings
from kaiwa.errors import VoiceChanged, VoiceDown
from kaiwa.pipeline.clip_cache import ClipCache
from kaiwa.policy.speakable import speakable
from kaiwa.ports.tts import ANY_LANGUAGE, PLAIN, Prosody, Voice, VoiceEngine

DEFAULTS: Mapping[str, str] = {"ja": "kokoro:jf_alpha", "en": "hibari:heart"}
"""Language -> voice id. Other languages are spoken by the browser's own voice."""

_JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")

log = structlog.get_logger()


class VoiceBook:
    """The engines of this server, by voice, and the clips they made lately."""

    def __init__(self, engines: Sequence[VoiceEngine]) -> None:
        self.engines = tuple(engines)
        self.replies = 0
        """How many are being made."""
        self.disturbed_at = time.monotonic()
        self.on_disturbed: list[Callable[[], None]] = []
        self.in_use: dict[str, Prosody] = {}
        """How each voice spoke last."""
        self._clips = ClipCache()

    @property
    def voices(self) -> tuple[Voice, ...]:
        return tuple(voice for _, voice in self._all())

    def find(self, voice_id: str) -> tuple[VoiceEngine, Voice] | None:
        """The voice and the engine that speaks with it; None if this server has no such voice."""
        return next((found for found in self._all() if found[1].id == voice_id), None)

    def default_for(
        self, language: str, without: Collection[str] = ()
    ) -> tuple[VoiceEngine, Voice] | None:
        """The usual voice of a language, or else the first that speaks it.

        `language` is ISO 639-1; `without` names engines. None means that the browser has to speak.
        """
        able = [
            (engine, voice)
            for engine, voice in self._all()
            if voice.language in (language, ANY_LANGUAGE) and engine.name not in without
        ]
        usual = (found for found in able if found[1].id == DEFAULTS.get(language))
        return next(usual, able[0] if able else None)

    def choose(
        self, setting: str, language: str, text: str, without: Collection[str] = ()
    ) -> tuple[VoiceEngine, Voice] | None:
        """Who speaks a reply: `setting` and `language` as the talk has them, `text` so far.

        None means that this server stays silent, and the browser speaks if the talk wants it to.
        """
        if setting in ("browser", "none"):
            return None
        if language == "auto":
            language = _language_of(text)
        found = self.find(setting)
        if found is None:
            return self.default_for(language, without)
        engine, voice = found
        if engine.name not in without:
            return found
        return self.default_for(
            language if voice.language == ANY_LANGUAGE else voice.language, without
        )

    async def speak(self, text: str, voice: Voice, prosody: Prosody = PLAIN) -> Speech:
        """The sound of text that was made speakable, from the cache if it is there.

        Raises VoiceDown.
        """
        found = self.find(voice.id)
        if found is None:
            raise VoiceDown(f"{voice.name} is not here any more.")
        key = self._key(text, voice, prosody)
        speech = self._clips.get(key)
        if speech is None:
            speech = await found[0].speak(text, voice, prosody)
            self._clips.put(key, speech)
        return speech

    def has(self, text: str, voice: Voice, prosody: Prosody) -> bool:
        """Whether this can be said at once."""
        return self._key(text, voice, prosody) in self._clips

    def is_ready(self, clause: str, talk: TalkSettings) -> bool:
        """Whether a server voice of the talk can say this at once."""
        found = self.choose(talk.voice, talk.language, clause)
        if found is None:
            return False
        voice = found[1]
        text = speakable(clause, spoken_language(voice, clause))
        return self.has(text, voice, prosody_of(talk))

    @contextmanager
    def speaking(self, talk: TalkSettings) -> Iterator[Speaker]:
        """For one reply, as long as it is being made."""
        self.replies += 1
        self.disturb()
        try:
            yield Speaker(self, talk)
        finally:
            self.replies -= 1
            self.disturb()

    def disturb(self) -> None:
        """Somebody speaks, or waits for a voice: what is made in advance has to wait."""
        self.disturbed_at = time.monotonic()
        for told in self.on_disturbed:
            told()

    def _all(self) -> Iterator[tuple[VoiceEngine, Voice]]:
        return ((engine, voice) for engine in self.engines for voice in engine.voices)

    @staticmethod
    def _key(text: str, voice: Voice, prosody: Prosody) -> tuple[str, str, Prosody]:
        can = Prosody(
            prosody.speed if voice.speed else PLAIN.speed,
            prosody.pitch if voice.pitch else PLAIN.pitch,
        )
        return text, voice.id, can


class Speaker:
    """Speaks one reply: with the voice its talk chose, and once that failed with another."""

    def __init__(self, book: VoiceBook, talk: TalkSettings) -> None:
        self._book = book
        self._talk = talk
        self._prosody = prosody_of(talk)
        self._failed: set[str] = set()
        self._notices: list[VoiceDown] = []

    async def speak(self, clause: str, reply: str) -> tuple[str, Speech] | None:
        """The voice's id and the clause's sound; `reply` is the text so far.

        None where the listener's own voice speaks, where no voice is left, and where there is
        nothing that can be said, such as code.
        """
        talk = self._talk
        while found := self._book.choose(talk.voice, talk.language, reply, self._failed):
            engine, voice = found
            text = speakable(clause, spoken_language(voice, reply))
            if not text:
                return None
            try:
                speech = await self._book.speak(text, voice, self._prosody)
            except VoiceDown as error:
                self._give_up(engine, voice, error, reply)
                continue
            self._book.in_use[voice.id] = self._prosody
            return (voice.id, speech) if len(speech.pcm) else None
        return None

    def take_notices(self) -> list[VoiceDown]:
        """What the listeners should know, once each."""
        notices, self._notices = self._notices, []
        return notices

    def _give_up(self, engine: VoiceEngine, voice: Voice, error: VoiceDown, reply: str) -> None:
        if engine.name in self._failed:
            return  # by the clause before, which was made at the same time
        self._failed.add(engine.name)
        talk = self._talk
        other = self._book.choose(talk.voice, talk.language, reply, self._failed)
        log.warning("voice_failed", voice=voice.id, reason=error.message)
        if other is None:
            self._notices.append(error)
        else:
            told = f"{voice.name} does not work just now; {other[1].name} speaks."
            self._notices.append(VoiceChanged(told))


def spoken_language(voice: Voice, text: str) -> str:
    """The voice's, or the text's where it speaks any."""
    return _language_of(text) if voice.language == ANY_LANGUAGE else voice.language


def prosody_of(talk: TalkSettings) -> Prosody:
    """How the talk wants its voice to speak."""
    return Prosody(talk.voice_speed, talk.voice_pitch)


def _language_of(text: str) -> str:
    """Japanese where there is any kana or kanji; what else there is, English reads best."""
    return "ja" if _JAPANESE.search(text) else "en"
