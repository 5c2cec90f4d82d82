"""From samples to utterances: what readers see, what is stored, and what is durable when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from kaiwa.adapters.memory.asr import FakeRecogniser, FakeSegment
from kaiwa.domain.audio import Samples, ms_to_samples, samples_to_ms
from kaiwa.domain.events import ReplyClause, ReplyStarted, ReplyStopping
from kaiwa.domain.speech import Partial, Transcript
from kaiwa.domain.talk import Role
from kaiwa.errors import DatabaseDown, Forbidden, NotFound, RecogniserDown
from kaiwa.pipeline import listen, tasks
from kaiwa.pipeline.hearing import SETTLE_STEP
from kaiwa.pipeline.listen import Listening
from kaiwa.policy.endpointing import EAGER_PAUSE
from tests.fakes.hearing import CAPTURE, KEN, MARI, Hearing
from tests.sounds import silence, speech, tone

THREE = speech(600, 900, 1_100, 900, 300, 900)
TEXTS = ["今日はとてもいい", "今日はとてもいい天気です", "今日はとても"]


class Script(FakeRecogniser):
    """Says what it is told to, and notes what it is asked."""

    def __init__(self, partial: str = "", eager: str = "", final: str = "") -> None:
        super().__init__()
        self.said = (partial, eager, final)
        self.calls: list[str] = []
        self.prompts: list[str] = []
        self.eager_asked = asyncio.Event()

    @asynccontextmanager
    async def segment(
        self, *, language: str | None, prompt: str = ""
    ) -> AsyncIterator[ScriptSegment]:
        self.prompts.append(prompt)
        yield ScriptSegment(self)


class ScriptSegment(FakeSegment):
    def __init__(self, script: Script) -> None:
        super().__init__(script, "ja")
        self._script = script

    def feed(self, samples: Samples) -> None:
        self._script.calls.append("feed")

    async def partial(self) -> Partial | None:
        text = self._script.said[0]
        return Partial(text, (1.0,) * len(text)) if text else None

    async def final(self, *, last: bool = True) -> Transcript:
        self._script.calls.append("final" if last else "eager")
        if not last:
            self._script.eager_asked.set()
        return Transcript(self._script.said[2 if last else 1], "ja")


@pytest.fixture
async def hearing() -> Hearing:
    return await Hearing().begin()


@asynccontextmanager
async def listening(hearing: Hearing, **changes: Any) -> AsyncIterator[Listening]:
    capture = await hearing.log.open_capture(hearing.talk.id, MARI.id, CAPTURE)
    capture = replace(capture, **changes)
    async with Listening.open(hearing.ears, hearing.talk, MARI, capture) as opened:
        yield opened


@pytest.mark.parametrize("block", [100, 512, 7_777, len(THREE)])
async def test_segments_become_utterances_in_order(hearing: Hearing, block: int) -> None:
    async with listening(hearing, started_ms=1_000) as ear:
        for start in range(0, len(THREE), block):
            await ear.hear(THREE[start : start + block])
        await ear.flush()
    finals = await hearing.finals()
    assert [final.text for final in finals] == TEXTS == [said.text for said in ear.utterances]
    assert [final.utterance_id for final in finals] == [f"{CAPTURE}-{n}" for n in (1, 2, 3)]
    assert [(f.participant, f.name, f.language) for f in finals] == [("mari", "まり", "ja")] * 3
    times = [time for final in finals for time in (final.started_ms, final.ended_ms)]
    assert times == sorted(times) and times[0] == 1_000
    assert abs(finals[1].ended_ms - 3_600) < 64
    assert await hearing.offset() > ms_to_samples(4_000)


async def test_a_name_that_the_agent_answers_to_is_expected(hearing: Hearing) -> None:
    hearing.recogniser = script = Script(final="さくら、元気？")
    changes = {"vocabulary": "京都", "agent_name": "さくら"}
    for mode in ("button", "name"):
        await hearing.talks.update(hearing.talk.id, MARI.id, {**changes, "mode": mode})
        async with listening(hearing) as ear:
            await ear.hear(speech(600, 900))
            await ear.flush()
    assert script.prompts == ["京都", "京都 さくら、さくらさん。"]


async def test_hypotheses_grow_and_end_in_the_final(hearing: Hearing) -> None:
    shown = []
    async with listening(hearing) as ear:
        for _ in range(4):
            await ear.hear(tone(500))
            shown.append(await hearing.until("utterance.partial"))
        await ear.hear(silence(900))
        final = await hearing.until("utterance.final")
    assert [event["type"] for event in hearing.seen[:2]] == ["turn.signal", "speech.started"]
    assert [event["revision"] for event in shown] == [1, 2, 3, 4]
    assert {event["utterance_id"] for event in shown} == {final["utterance_id"]}
    stable = [event["stable"] for event in shown]
    assert all(later.startswith(earlier) for earlier, later in pairwise(stable))
    assert stable[-1] and final["text"].startswith(stable[-1])


async def test_a_voice_is_told_of_while_it_lasts(hearing: Hearing) -> None:
    async with listening(hearing) as ear:
        await ear.hear(silence(2_000))
        assert hearing.voices == 0
        await ear.hear(speech(600, 900))
        await ear.flush()
    assert hearing.voices >= 2


async def test_the_final_is_begun_at_the_first_silence(hearing: Hearing) -> None:
    script = hearing.recogniser = Script(eager="はい", final="はい")
    async with listening(hearing) as ear:
        await ear.hear(speech(600, 300))
        await script.eager_asked.wait()
        await ear.hear(silence(600))
        await hearing.until("utterance.final")
    assert script.calls[-2:] == ["eager", "final"]  # nothing was fed between: they share the work
    assert script.calls.count("eager") == 1


async def test_an_engine_that_ends_its_input_once_is_heard_to_its_last_word(
    hearing: Hearing,
) -> None:
    hearing.recogniser = Script(eager="今日は", final="今日はいい天気")
    async with listening(hearing) as ear:
        await ear.hear(speech(600, 900))
        await ear.flush()
    assert await hearing.texts() == ["今日はいい天気"]


async def test_a_short_pause_is_inside_an_utterance(hearing: Hearing) -> None:
    script = hearing.recogniser = Script(eager="はい", final="はい、そうです")
    async with listening(hearing) as ear:
        for _ in range(2):
            script.eager_asked.clear()
            await ear.hear(speech(600, 300))
            await script.eager_asked.wait()
        await ear.hear(silence(600))
        await ear.flush()
    assert await hearing.texts() == ["はい、そうです"]
    assert script.calls[-2:] == ["eager", "final"] and script.calls.count("eager") == 2


async def test_what_turns_out_to_be_nothing_is_withdrawn(hearing: Hearing) -> None:
    hearing.recogniser = Script(partial="ご視聴", final="")
    async with listening(hearing) as ear:
        await ear.hear(tone(600))
        shown = await hearing.until("utterance.partial")
        await ear.hear(silence(900))
        withdrawn = await hearing.until("utterance.withdrawn")
        await hearing.until("capture.durable")
    assert withdrawn["utterance_id"] == shown["utterance_id"]
    assert await hearing.finals() == []
    assert await hearing.offset() >= ms_to_samples(600)


async def test_the_durable_offset_is_never_inside_an_open_segment(hearing: Hearing) -> None:
    async with listening(hearing) as ear:
        await ear.hear(speech(600, 900))
        first = await hearing.until("capture.durable")
        assert first["offset"] == await hearing.offset()
        assert ms_to_samples(600) < first["offset"] < ms_to_samples(1_500)
        await ear.hear(tone(7_000))
        await hearing.until("utterance.partial")
        assert await hearing.offset() == first["offset"]
        await ear.leave_open()
    assert await hearing.offset() == first["offset"]
    assert await hearing.texts() == TEXTS[:1]


async def test_silence_moves_the_durable_offset(hearing: Hearing) -> None:
    async with listening(hearing) as ear:
        for _ in range(12):
            await ear.hear(silence(1_000))
        durable = await hearing.until("capture.durable")
        assert durable["offset"] >= SETTLE_STEP
    assert ms_to_samples(9_000) < await hearing.offset() <= ms_to_samples(11_700)
    assert await hearing.finals() == []


async def test_what_is_open_at_a_clean_end_is_stored(hearing: Hearing) -> None:
    async with listening(hearing) as ear:
        await ear.hear(tone(600))
        await ear.flush()
    assert await hearing.texts() == TEXTS[:1]


async def test_a_database_that_is_away_for_a_moment_loses_nothing(
    hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "DATABASE_RETRY_S", 0)
    async with listening(hearing) as ear:
        await ear.hear(tone(600))
        await hearing.until("utterance.partial")
        hearing.log.down = True
        hearing.log.refused.clear()
        await ear.hear(speech(0, 900, 1_100, 900))
        await hearing.log.refused.wait()
        hearing.log.down = False
        await ear.flush()
    assert await hearing.texts() == TEXTS[:2]


async def test_a_database_that_stays_away_ends_the_capture(
    hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "DATABASE_PATIENCE_S", -1)
    with pytest.raises(DatabaseDown):
        async with listening(hearing) as ear:
            hearing.log.down = True
            await ear.hear(speech(600, 900))
            await ear.flush()


async def test_a_recogniser_that_fails_ends_the_capture_and_keeps_what_was_stored(
    hearing: Hearing,
) -> None:
    with pytest.raises(RecogniserDown, match="gone"):
        async with listening(hearing) as ear:
            await ear.hear(speech(600, 900))
            await hearing.until("utterance.final")
            hearing.recogniser.down = "gone"
            await ear.hear(speech(600, 900))
            await ear.flush()
    assert await hearing.texts() == TEXTS[:1]
    assert hearing.recogniser.open_segments == 0


async def test_an_eager_final_that_came_too_early_is_shown_as_a_hypothesis(
    hearing: Hearing,
) -> None:
    script = hearing.recogniser = Script(eager="はい", final="はい、そうです")
    async with listening(hearing) as ear:
        await ear.hear(speech(600, 300))
        await script.eager_asked.wait()
        shown = await hearing.until("utterance.partial")
        await ear.hear(speech(600, 900))
    assert (shown["stable"], shown["tentative"]) == ("", "はい")
    assert await hearing.texts() == ["はい、そうです"]


async def hands_free(hearing: Hearing) -> None:
    await hearing.talks.update(hearing.talk.id, MARI.id, {"mode": "hands-free"})


async def signals(hearing: Hearing) -> list[tuple[str, str]]:
    await hearing.log.tell(hearing.talk.id, ReplyStopping(reply_id="the end"))
    await hearing.until("reply.stopping")
    told = [event for event in hearing.seen if event["type"] == "turn.signal"]
    return [(event["signal"], event["text"]) for event in told]


class Judge:
    """Judges as soon as it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.may = asyncio.Event()
        self.may.set()

    async def probability(self, sound: Samples) -> float:
        self.asked += 1
        await self.may.wait()
        return 0.75

    async def ready(self) -> None:
        return


async def test_the_floor_is_told_of_a_pause_its_words_and_how_finished_they_sound(
    hearing: Hearing,
) -> None:
    script = hearing.recogniser = Script(eager="はい", final="はい、そうです")
    hearing.turn = Judge()
    await hands_free(hearing)
    async with listening(hearing) as ear:
        await ear.hear(speech(600, 300))
        await script.eager_asked.wait()
        paused = await hearing.until("turn.signal")
        while paused["signal"] != "paused":
            paused = await hearing.until("turn.signal")
        judged = await hearing.until("turn.signal")
        await ear.hear(speech(600, 300))
        while (await hearing.until("turn.signal"))["signal"] != "judged":
            pass
        await ear.hear(speech(0, 600))
    assert (paused["text"], paused["utterance_id"]) == ("はい", f"{CAPTURE}-1")
    assert paused["silence_ms"] >= samples_to_ms(EAGER_PAUSE)
    assert (judged["signal"], judged["score"]) == ("judged", 0.75)
    told = [signal for signal, _ in await signals(hearing)]
    once = ["silent", "paused", "judged"]
    assert told == ["gone", *once, "resumed", *once, "gone"]


async def test_a_final_does_not_wait_for_the_judge_of_its_pause(hearing: Hearing) -> None:
    script = hearing.recogniser = Script(eager="はい", final="はい")
    judge = hearing.turn = Judge()
    judge.may.clear()
    await hands_free(hearing)
    async with listening(hearing) as ear:
        await ear.hear(speech(600, 300))
        await script.eager_asked.wait()
        await ear.hear(silence(600))
        await hearing.until("utterance.final")
        judge.may.set()
    told = [signal for signal, _ in await signals(hearing)]
    assert told == ["gone", "silent", "paused", "judged", "gone"]


async def test_a_pause_that_is_over_is_not_judged(hearing: Hearing) -> None:
    script = hearing.recogniser = Script(eager="はい", final="はい")
    judge = hearing.turn = Judge()
    judge.may.clear()
    await hands_free(hearing)
    async with listening(hearing) as ear:
        await ear.hear(speech(600, 300))
        await script.eager_asked.wait()
        await hearing.until("turn.signal", signal="paused")
        await ear.hear(speech(600, 0))
        await hearing.until("turn.signal", signal="resumed")
        judge.may.set()
        await ear.leave_open()
    assert "judged" not in [signal for signal, _ in await signals(hearing)]


async def test_no_pause_is_judged_where_a_button_ends_the_turn(hearing: Hearing) -> None:
    hearing.recogniser = Script(eager="はい", final="はい")
    judge = hearing.turn = Judge()
    async with listening(hearing) as ear:
        await ear.hear(speech(600, 900))
        await ear.flush()
    assert await hearing.texts() == ["はい"]
    assert judge.asked == 0


async def test_old_sound_makes_text_and_is_told_to_be_late(hearing: Hearing) -> None:
    async with listening(hearing, age_ms=60_000) as ear:
        await ear.hear(speech(600, 900))
        await ear.flush()
    assert await hearing.texts() == ["今日はとてもいい"]
    assert [signal for signal, _ in await signals(hearing)] == ["gone", "late", "gone"]
    assert all(not event["type"].startswith("speech.") for event in hearing.seen)


async def test_the_agents_own_voice_is_not_written_down(hearing: Hearing) -> None:
    turns = hearing.attendance.turns
    turns.observe(ReplyStarted(reply_id="r", generation=1, cause="c", name="AI"), time.monotonic())
    clause = ReplyClause(
        reply_id="r", index=0, text=TEXTS[0], start=0, end=0, clip="c", duration_ms=3_000
    )
    turns.observe(clause, time.monotonic())
    async with listening(hearing) as ear:
        await ear.hear(speech(1_100, 900))
        await ear.flush()
    assert await hearing.texts() == []
    assert await hearing.offset() >= ms_to_samples(1_100)
    assert ("nothing", "") in await signals(hearing)
    assert all(event["type"] != "utterance.partial" for event in hearing.seen)


async def test_who_is_removed_or_silenced_speaks_no_more(hearing: Hearing) -> None:
    await hearing.talks.add_member(hearing.talk.id, KEN.name, Role.OWNER)
    await hearing.talks.add_member(hearing.talk.id, MARI.name, Role.LISTENER)
    with pytest.raises(Forbidden):
        async with listening(hearing) as ear:
            await ear.hear(speech(600, 900))
            await ear.flush()
    await hearing.talks.remove_member(hearing.talk.id, MARI.id, by=KEN.id)
    with pytest.raises(NotFound):
        async with listening(hearing) as ear:
            await ear.hear(speech(600, 900))
            await ear.flush()
    assert await hearing.finals() == []


async def test_a_deleted_talk_takes_no_more_words(hearing: Hearing) -> None:
    with pytest.raises(NotFound):
        async with listening(hearing) as ear:
            await hearing.talks.delete(hearing.talk.id, MARI.id)
            await ear.hear(speech(600, 900))
            await ear.flush()


async def test_text_that_cannot_be_stored_is_cleaned(hearing: Hearing) -> None:
    hearing.recogniser = Script(partial="は\x00い", final="は\x00い\ud800")
    async with listening(hearing) as ear:
        await ear.hear(speech(600, 900))
        await ear.flush()
    assert await hearing.texts() == ["はい"]
