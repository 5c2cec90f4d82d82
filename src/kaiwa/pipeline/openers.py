"""What replies often begin with, synthesised while nobody needs the machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from kaiwa.errors import VoiceDown
from kaiwa.pipeline.spare_time import QUIET_S, SpareTime
from kaiwa.pipeline.voices import DEFAULTS, VoiceBook
from kaiwa.policy.opening import OPENINGS
from kaiwa.ports.tts import PLAIN, Prosody, Voice

OPENERS: Final[Mapping[str, tuple[str, ...]]] = {
    "ja": (
        *OPENINGS["ja"],
        *("もちろんです。", "わかりました。", "はい。", "そうですね。", "なるほど。"),
        *("ありがとうございます。", "すみません、"),
    ),
    "en": (
        *OPENINGS["en"],
        *("Of course,", "Yes.", "Sure!", "Of course!", "I see.", "Thank you.", "I'm sorry,"),
    ),
}
"""Language -> clauses as the splitter cuts them."""


class Openers:
    """Keeps them in the book's cache, for the usual voices and those in use."""

    def __init__(self, book: VoiceBook, quiet_s: float = QUIET_S) -> None:
        self._book = book
        self._spare_time = SpareTime(book, quiet_s)
        self._failed: set[str] = set()

    async def run(self) -> None:
        """Until cancelled; one clip at a time, dropped as soon as somebody speaks."""
        while True:
            if wanted := next(self._missing(), None):
                await self._spare_time.use(partial(self._make, *wanted))
            else:
                await self._spare_time.disturbed()

    def _missing(self) -> Iterator[tuple[str, Voice, Prosody]]:
        prosodies = dict.fromkeys(DEFAULTS.values(), PLAIN) | self._book.in_use
        for voice_id, prosody in prosodies.items():
            found = self._book.find(voice_id)
            if found is None or not found[0].prepares or voice_id in self._failed:
                continue
            for text in OPENERS.get(found[1].language, ()):
                if not self._book.has(text, found[1], prosody):
                    yield text, found[1], prosody

    async def _make(self, text: str, voice: Voice, prosody: Prosody) -> None:
        try:
            await self._book.speak(text, voice, prosody)
        except VoiceDown:
            self._failed.add(voice.id)
