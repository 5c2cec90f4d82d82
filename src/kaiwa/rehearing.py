"""`kaiwa rehear`: what was recorded is recognised again, by a better model than was there then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kaiwa.domain.events import RECOGNISER, UtteranceEdited, UtteranceFinal
from kaiwa.domain.ids import TalkId, UtteranceId
from kaiwa.domain.text import storable
from kaiwa.errors import NotFound
from kaiwa.policy.word_times import timed
from kaiwa.ports.asr import Recogniser
from kaiwa.ports.event_log import EventLog
from kaiwa.ports.recordings import Recordings


@dataclass(frozen=True, slots=True)
class Reheard:
    """How many recorded utterances there were, how many now read otherwise, and how many were left
    because a person had corrected them."""

    recorded: int
    changed: int
    left: int


class Rehearing:
    """A talk that is heard again."""

    def __init__(self, event_log: EventLog, recordings: Recordings, talk: TalkId) -> None:
        self._log = event_log
        self._recordings = recordings
        self._talk = talk
        self._read = 0
        self._texts: dict[str, str] = {}
        self._corrected: set[str] = set()  # by people, who know better
        self.recorded: list[UtteranceId] = []

    async def open(self) -> None:
        """Find what there is to hear. Raises NotFound for no such talk, and where nothing was
        recorded."""
        await self._log.head(self._talk)
        await self._read_on()
        if not self.recorded:
            raise NotFound(
                "no sound of this talk was kept; its owner can switch recording on in its settings"
            )

    async def run(
        self,
        recogniser: Recogniser,
        model: str,
        language: str | None,
        vocabulary: str,
        on_heard: Callable[[], None],
    ) -> Reheard:
        """Hear everything again; `on_heard` is called after each utterance.

        What differs is appended as an edit by `model`. `language` None detects it. Raises
        RecogniserDown, DatabaseDown, NotFound (the talk was deleted meanwhile).
        """
        changed = left = 0
        for utterance in tuple(self.recorded):
            if utterance in self._corrected:
                left += 1
            else:
                edit = await self._hear(utterance, recogniser, language, vocabulary)
                await self._read_on()
                if utterance in self._corrected:  # while it was being heard
                    left += 1
                elif edit is not None and edit.text != self._texts[utterance]:
                    await self._log.append(self._talk, edit.model_copy(update={"model": model}))
                    changed += 1
            on_heard()
        return Reheard(len(self.recorded), changed, left)

    async def _hear(
        self, utterance: UtteranceId, recogniser: Recogniser, language: str | None, vocabulary: str
    ) -> UtteranceEdited | None:
        """None where the sound is gone, or nothing is heard in it."""
        try:
            sound = await self._recordings.sound(self._talk, utterance)
        except NotFound:
            return None  # erased meanwhile
        async with recogniser.segment(language=language, prompt=vocabulary) as session:
            session.feed(sound)
            said = await session.final(last=True)
        text = storable(said.text)
        words = tuple((w.text, w.start_ms, w.end_ms) for w in timed(text, said.words))
        if not text:
            return None
        return UtteranceEdited(utterance_id=utterance, text=text, by=RECOGNISER, words=words)

    async def _read_on(self) -> None:
        while page := await self._log.read(self._talk, self._read):
            for recorded in page:
                event = recorded.event
                if isinstance(event, UtteranceFinal) and event.recorded:
                    self.recorded.append(UtteranceId(event.utterance_id))
                    self._texts[event.utterance_id] = event.text
                elif isinstance(event, UtteranceEdited):
                    self._texts[event.utterance_id] = event.text
                    if event.by != RECOGNISER:
                        self._corrected.add(event.utterance_id)
            self._read = page[-1].seq
