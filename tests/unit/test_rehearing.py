"""A recorded talk is heard again: what reads otherwise is corrected, what people wrote stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kaiwa.adapters.memory.asr import FakeRecogniser, FakeSegment
from kaiwa.domain.events import RECOGNISER, UtteranceEdited, UtteranceFinal
from kaiwa.domain.ids import TalkId
from kaiwa.domain.speech import Transcript, Word
from kaiwa.errors import NotFound
from kaiwa.pipeline.listen import Listening
from kaiwa.policy.transcript import lines
from kaiwa.rehearing import Reheard, Rehearing
from tests.fakes.hearing import CAPTURE, MARI, Hearing
from tests.sounds import speech

TEXTS = ["今日はとてもいい", "今日はとてもいい天気です"]


class Better(FakeRecogniser):
    """Hears more, and notes what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str | None, str]] = []

    @asynccontextmanager
    async def segment(
        self, *, language: str | None, prompt: str = ""
    ) -> AsyncIterator[FakeSegment]:
        self.asked.append((language, prompt))
        yield BetterSegment(self, language or "ja")


class BetterSegment(FakeSegment):
    async def final(self, *, last: bool = True) -> Transcript:
        before = await super().final(last=last)
        text = before.text.replace("天気", "元気")
        return Transcript(text, "ja", 0.9, (Word(text, 300, 900, 0.9),))


async def spoken(*, recording: bool) -> Hearing:
    """Two utterances of Mari's."""
    hearing = await Hearing().begin()
    talk = hearing.talk.id
    await hearing.talks.update(talk, MARI.id, {"recording": recording, "vocabulary": "元気"})
    capture = await hearing.log.open_capture(talk, MARI.id, CAPTURE)
    async with Listening.open(hearing.ears, hearing.talk, MARI, capture) as ear:
        await ear.hear(speech(600, 900, 1_100, 900))
        await ear.flush()
    assert await hearing.texts() == TEXTS
    return hearing


async def rehear(hearing: Hearing, recogniser: FakeRecogniser) -> tuple[Reheard, int]:
    rehearing = Rehearing(hearing.log, hearing.log, hearing.talk.id)
    await rehearing.open()
    heard = []
    result = await rehearing.run(recogniser, "better", "ja", "元気", lambda: heard.append(1))
    return result, len(heard)


async def test_what_reads_otherwise_is_corrected_and_the_original_kept() -> None:
    hearing = await spoken(recording=True)
    better = Better()
    assert await rehear(hearing, better) == (Reheard(recorded=2, changed=1, left=0), 2)
    assert better.asked == [("ja", "元気")] * 2
    events = await hearing.log.read(hearing.talk.id, 0)
    edit = events[-1].event
    assert isinstance(edit, UtteranceEdited)
    assert (edit.utterance_id, edit.by, edit.model) == (f"{CAPTURE}-2", RECOGNISER, "better")
    assert edit.text == "今日はとてもいい元気です"
    assert edit.words == ((edit.text, 300, 900),)
    assert [line.text for line in lines(events)] == [TEXTS[0], edit.text]
    assert lines(events)[-1].words == edit.words
    assert await hearing.texts() == TEXTS
    assert (await rehear(hearing, better))[0] == Reheard(recorded=2, changed=0, left=0)


async def test_what_a_person_corrected_stays_also_while_it_is_heard() -> None:
    hearing = await spoken(recording=True)
    edit = UtteranceEdited(utterance_id=f"{CAPTURE}-2", text="いい天気ですね", by=MARI.id)

    class Meanwhile(Better):
        @asynccontextmanager
        async def segment(
            self, *, language: str | None, prompt: str = ""
        ) -> AsyncIterator[FakeSegment]:
            await hearing.log.append(hearing.talk.id, edit)
            async with super().segment(language=language, prompt=prompt) as segment:
                yield segment

    heard, _ = await rehear(hearing, Meanwhile())
    assert heard == Reheard(recorded=2, changed=0, left=1)
    assert [line.text for line in lines(await hearing.log.read(hearing.talk.id, 0))] == [
        TEXTS[0],
        edit.text,
    ]


async def test_there_is_nothing_to_hear_where_nothing_was_recorded() -> None:
    hearing = await spoken(recording=False)
    finals = [r.event for r in await hearing.log.read(hearing.talk.id, 0)]
    assert not any(e.recorded for e in finals if isinstance(e, UtteranceFinal))
    with pytest.raises(NotFound, match="no sound"):
        await Rehearing(hearing.log, hearing.log, hearing.talk.id).open()
    with pytest.raises(NotFound, match="no such talk"):
        await Rehearing(hearing.log, hearing.log, TalkId("nowhere")).open()
