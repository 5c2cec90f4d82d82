"""What replies often begin with, synthesised while nobody needs the machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Final

from kaiwa.errors import VoiceDown
from kaiwa.pipeline.voices import DEFAULTS, VoiceBook
from kaiwa.ports.tts import PLAIN, Prosody, Voice

OPENERS: Final[Mapping[str, tuple[str, ...]]] = {
    "ja": (
        *("はい、", "そうですね、", "なるほど、", "ええと、", "もちろんです。", "わかりました。"),
        *("はい。", "そうですね。", "なるほど。", "ありがとうございます。", "すみません、"),
    ),
    "en": (
        *("Sure,", "Okay,", "Well,", "Of course,", "Yes.", "Sure!", "Of course!", "I see."),
        *("Thank you.", "I'm sorry,"),
    ),
}
"""Language -> clauses as the splitter cuts them."""

QUIET_S: Final = 5.0  # since anybody spoke or a reply was made


class Openers:
    """Keeps them in the book's cache, for the usual voices and those in use."""

    def __init__(self, book: VoiceBook, quiet_s: float = QUIET_S) -> None:
        self._book = book
        self._quiet_s = quiet_s
        self._failed: set[str] = set()
        self._changed = asyncio.Event()
        self._making: asyncio.Task[object] | None = None
        book.on_disturbed = self._stop

    async def run(self) -> None:
        """Until cancelled; one clip at a time, dropped as soon as somebody speaks."""
        while True:
            self._changed.clear()
            left_s = self._book.disturbed_at + self._quiet_s - time.monotonic()
            if self._book.replies:
                await self._changed.wait()
            elif left_s > 0:
                await asyncio.sleep(left_s)
            elif wanted := next(self._missing(), None):
                await self._make(*wanted)
            else:
                await self._changed.wait()

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
        self._making = asyncio.create_task(self._book.speak(text, voice, prosody))
        try:
            await asyncio.wait([self._making])
            if not self._making.cancelled() and (error := self._making.exception()):
                if not isinstance(error, VoiceDown):
                    raise error
                self._failed.add(voice.id)
        finally:
            self._making.cancel()
            self._making = None

    def _stop(self) -> None:
        self._changed.set()
        if self._making is not None:
            self._making.cancel()
