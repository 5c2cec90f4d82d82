"""A reply ends as it should, also when it is stopped early or made by a model that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kaiwa.adapters.memory.llm import Hold, ScriptedChatModel, Step
from kaiwa.adapters.memory.summaries import MemorySummaries
from kaiwa.adapters.memory.tts import ToneVoices
from kaiwa.domain.audio import Speech
from kaiwa.domain.chat import ChatMessage
from kaiwa.domain.events import (
    ReplyClause,
    ReplyCut,
    ReplyFinished,
    ReplyPlayed,
    UtteranceFinal,
)
from kaiwa.domain.ids import ClipId, ReplyId, TalkId
from kaiwa.errors import DatabaseDown, NotFound, TakenOver
from kaiwa.pipeline import tasks
from kaiwa.pipeline.making import DELTA_CHARACTERS
from kaiwa.pipeline.respond import Responder
from kaiwa.pipeline.voices import VoiceBook
from kaiwa.policy.opening import OPENINGS
from kaiwa.policy.turn_decisions import Commit
from kaiwa.ports.tts import PLAIN, Prosody, Voice
from tests.fakes.hearing import MARI, Hearing, NoClips

TURN = Commit("u-1", silence_s=0.45, final_s=0.4)


class SlowWakeups:
    """Listening takes until `free` is set."""

    def __init__(self, hearing: Hearing) -> None:
        self.free = asyncio.Event()
        self._log = hearing.log

    async def listen(self, talk: TalkId, on_payload: Callable[[str], None]) -> None:
        await self.free.wait()
        await self._log.listen(talk, on_payload)

    async def unlisten(self, talk: TalkId, on_payload: Callable[[str], None]) -> None:
        await self._log.unlisten(talk, on_payload)


@pytest.fixture
async def hearing() -> Hearing:
    return await Hearing().begin()


@asynccontextmanager
async def responding(
    hearing: Hearing, *steps: Step, wakeups: Any = None
) -> AsyncIterator[Responder]:
    async with Responder.run(
        event_log=hearing.log,
        wakeups=wakeups or hearing.log,
        clips=NoClips(),
        summaries=MemorySummaries(hearing.log),
        model=ScriptedChatModel(steps),
        voices=VoiceBook([]),
        owner="me",
    ) as responder:
        yield responder


async def ends(hearing: Hearing) -> list[tuple[str, str]]:
    events = [recorded.event for recorded in await hearing.log.read(hearing.talk.id, 0)]
    return [(e.status, e.text) for e in events if isinstance(e, ReplyFinished)]


async def test_a_reply_that_is_stopped_before_it_has_begun_stays_stopped(hearing: Hearing) -> None:
    wakeups = SlowWakeups(hearing)
    async with responding(hearing, "はい。", wakeups=wakeups) as responder:
        reply = await responder.ask(hearing.talk, "mari")
        await responder.stop(hearing.talk.id, reply, MARI.id, None)
        wakeups.free.set()
        await hearing.until("reply.finished")
    assert await ends(hearing) == [("interrupted", "")]


async def test_the_end_of_the_process_interrupts_what_goes_on(hearing: Hearing) -> None:
    async with responding(hearing, "はい、", Hold(asyncio.Event())) as responder:
        await responder.ask(hearing.talk, "mari")
        await hearing.until("reply.delta")
    assert await ends(hearing) == [("interrupted", "はい、")]


async def test_nobody_stops_the_reply_of_another_talk(hearing: Hearing) -> None:
    mine = hearing.talk
    go_on = asyncio.Event()
    async with responding(hearing, "はい、", Hold(go_on), "そう。") as responder:
        reply = await responder.ask(mine, "mari")
        await hearing.until("reply.delta")
        other = (await hearing.begin()).talk
        with pytest.raises(NotFound):
            await responder.stop(other.id, reply, MARI.id, (0, 0))
        hearing.talk = mine
        go_on.set()
        await hearing.until("reply.finished")
    assert await ends(hearing) == [("complete", "はい、そう。")]
    assert all(not isinstance(r.event, ReplyCut) for r in await hearing.log.read(other.id, 0))


@pytest.mark.parametrize("text", ["は\x00い。", "は\ud83dい。\ude00"])
async def test_what_cannot_be_stored_is_dropped_and_the_server_goes_on(
    hearing: Hearing, text: str
) -> None:
    async with responding(hearing, text) as responder:
        for _ in range(2):
            await responder.ask(hearing.talk, "mari")
            await hearing.until("reply.finished")
    assert await ends(hearing) == [("complete", "はい。")] * 2


async def test_a_model_that_says_all_at_once_is_told_in_parts(hearing: Hearing) -> None:
    whole = "長" * (DELTA_CHARACTERS * 2 + 300)
    async with responding(hearing, whole) as responder:
        await responder.ask(hearing.talk, "mari")
        await hearing.until("reply.finished")
    assert await ends(hearing) == [("complete", whole)]
    deltas = [event for event in hearing.seen if event["type"] == "reply.delta"]
    assert "".join(event["text"] for event in deltas) == whole
    assert [event["offset"] for event in deltas] == [0, 1_000, 2_000]


async def test_a_talk_that_is_deleted_ends_its_reply(hearing: Hearing) -> None:
    go_on = asyncio.Event()
    async with responding(hearing, "はい、", Hold(go_on), "そうです。" * 9) as responder:
        await responder.ask(hearing.talk, "mari")
        await hearing.until("reply.delta")
        await hearing.talks.delete(hearing.talk.id, MARI.id)
        go_on.set()


async def test_a_strangers_payload_stops_nothing(hearing: Hearing) -> None:
    go_on = asyncio.Event()
    async with responding(hearing, "はい、", Hold(go_on), "そう。") as responder:
        reply = await responder.ask(hearing.talk, "mari")
        await hearing.until("reply.delta")
        for payload in (f'"{reply}"', f'["{reply}"]', f'{{"type": "x", "reply_id": "{reply}"}}'):
            hearing.log._wake(hearing.talk.id, payload)
        go_on.set()
        await hearing.until("reply.finished")
    assert await ends(hearing) == [("complete", "はい、そう。")]


async def test_a_reply_of_another_process_that_goes_on_is_cut_at_what_was_heard(
    hearing: Hearing,
) -> None:
    claim = await hearing.log.claim_reply(hearing.talk.id, cause="x", owner="other", name="AI")
    reply = ReplyId(claim.reply_id)
    clause = ReplyClause(reply_id=reply, index=0, text="はい、", start=0, end=3, duration_ms=300)
    await hearing.log.append(hearing.talk.id, clause)
    async with responding(hearing) as responder:
        await responder.stop(hearing.talk.id, reply, MARI.id, (0, 300))
    await hearing.until("reply.stopping")
    cut = await hearing.until("reply.cut")
    assert cut["heard_text"] == "はい、"  # what it makes after this clause was not heard


def words(text: str) -> UtteranceFinal:
    return UtteranceFinal(
        utterance_id="u-1",
        participant=MARI.id,
        name=MARI.name,
        text=text,
        language="ja",
        started_ms=0,
        ended_ms=0,
        capture=None,
    )


@asynccontextmanager
async def answering(
    hearing: Hearing, model: ScriptedChatModel, **options: Any
) -> AsyncIterator[tuple[Responder, int]]:
    """A responder that has the talk's floor, and its fence."""
    fence = await hearing.log.take_floor(hearing.talk.id, "me")
    assert fence is not None
    parts = {
        "wakeups": hearing.log,
        "clips": NoClips(),
        "summaries": MemorySummaries(hearing.log),
        "voices": VoiceBook([]),
    }
    async with Responder.run(
        event_log=hearing.log, model=model, owner="me", **parts | options
    ) as responder:
        yield responder, fence


async def test_a_reply_ends_where_the_model_goes_on_for_somebody_else(hearing: Hearing) -> None:
    for who, text in (("まり", "今日は晴れ？"), ("ケン", "さあ。")):
        said = words(text).model_copy(update={"utterance_id": who, "participant": who, "name": who})
        await hearing.log.append(hearing.talk.id, said)
    async with responding(hearing, "AI: 晴れです。\nケ", "ン: ありがとう。") as responder:
        await responder.ask(hearing.talk, "mari")
        await hearing.until("reply.finished")
    assert await ends(hearing) == [("complete", "晴れです。\n")]


class SlowFirst(ToneVoices):
    """Its first clause takes until the second was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.second = asyncio.Event()

    async def speak(self, text: str, voice: Voice, prosody: Prosody = PLAIN) -> Speech:
        speech = await super().speak(text, voice, prosody)
        if len(self.spoken) > 1:
            self.second.set()
        await self.second.wait()
        return speech


async def test_the_next_clause_is_made_while_one_is(hearing: Hearing) -> None:
    voice = SlowFirst()
    model = ScriptedChatModel(["今日はとても良い天気です。", "明日もきっと晴れるでしょう。"])
    async with answering(hearing, model, voices=VoiceBook([voice])) as (responder, _):
        await responder.ask(hearing.talk, "mari")
        await hearing.until("reply.finished")
    events = [recorded.event for recorded in await hearing.log.read(hearing.talk.id, 0)]
    clauses = [each for each in events if isinstance(each, ReplyClause)]
    assert [each.index for each in clauses] == list(range(len(clauses)))
    assert "".join(each.text for each in clauses) == (await ends(hearing))[0][1]


async def test_ahead_of_the_commit_one_clause_is_made(hearing: Hearing) -> None:
    voice = ToneVoices()
    go_on = asyncio.Event()
    text = "今日はとても良い天気です。明日もきっと晴れるでしょう。それから"
    model = ScriptedChatModel([text, Hold(go_on), "ね。"])
    async with answering(hearing, model, voices=VoiceBook([voice])) as (responder, fence):
        await responder.speculate(hearing.talk, words("元気？"))
        await voice.spoke.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        ahead = len(voice.spoken)
        await hearing.log.append(hearing.talk.id, words("元気？"))
        await responder.commit(hearing.talk, TURN, fence=fence)
        go_on.set()
        await hearing.until("reply.finished")
    assert ahead == 1 and len(voice.spoken) > 2


async def begun(model: ScriptedChatModel) -> None:
    while True:
        if model.running:
            return
        await asyncio.sleep(0)


async def test_the_first_sound_at_a_listener_is_a_stage(hearing: Hearing) -> None:
    go_on = asyncio.Event()
    async with responding(hearing, "はい。", Hold(go_on), "そうですね。") as responder:
        reply = await responder.ask(hearing.talk, "mari")
        await hearing.until("reply.delta")
        for clause, ms in ((0, 0), (1, 0)):
            place = {"reply_id": reply, "listener": "a", "user": "mari", "clause": clause, "ms": ms}
            await hearing.log.tell(hearing.talk.id, ReplyPlayed.model_validate(place))
        go_on.set()
        timing = (await hearing.until("reply.finished"))["timing"]
    assert timing["first_token"] <= timing["first_sound"] <= timing["total"]


async def test_what_was_made_ahead_for_the_same_words_is_the_reply(hearing: Hearing) -> None:
    model = ScriptedChatModel(["はい。"], ["もう一度。"])
    async with answering(hearing, model) as (responder, fence):
        await responder.speculate(hearing.talk, words("元気？"))
        await hearing.log.append(hearing.talk.id, words("元気？"))
        await responder.commit(hearing.talk, TURN, fence=fence)
        finished = await hearing.until("reply.finished")
    timing = finished["timing"]
    assert (finished["text"], timing["final"], timing["endpoint"]) == ("はい。", 400, 450)
    assert len(model.asked) == 1


async def test_what_was_made_ahead_for_other_words_is_thrown_away(hearing: Hearing) -> None:
    model = ScriptedChatModel(["はい。", Hold(asyncio.Event())], ["いいえ。"])
    async with answering(hearing, model) as (responder, fence):
        await responder.speculate(hearing.talk, words("元気"))
        await begun(model)
        await hearing.log.append(hearing.talk.id, words("元気じゃない？"))
        await responder.commit(hearing.talk, TURN, fence=fence)
        finished = await hearing.until("reply.finished")
    assert finished["text"] == "いいえ。" and "はい" not in str(hearing.seen)
    assert model.left.is_set() and model.running == 0


async def test_the_model_is_free_before_the_next_attempt_begins(hearing: Hearing) -> None:
    model = ScriptedChatModel([Hold(asyncio.Event())])
    async with answering(hearing, model) as (responder, _):
        for text in ("元気", "元気だ", "元気だよ"):
            await responder.speculate(hearing.talk, words(text))
            await begun(model)
            assert model.running == 1
        await responder.discard(hearing.talk.id)
        assert model.running == 0


@asynccontextmanager
async def opening(
    hearing: Hearing,
    model: ScriptedChatModel,
    language: str = "ja",
    voice: ToneVoices | None = None,
) -> AsyncIterator[tuple[Responder, int]]:
    """A responder whose voice has said all openings before."""
    model.continues = True
    voices = VoiceBook([voice or ToneVoices(language)])
    for text in OPENINGS[language]:
        await voices.speak(text, voices.voices[0])
    async with answering(hearing, model, voices=voices) as answers:
        yield answers


async def test_an_answer_begins_with_what_can_be_said_at_once(hearing: Hearing) -> None:
    model = ScriptedChatModel(["富士山です。"])
    async with opening(hearing, model) as (responder, fence):
        await hearing.log.append(hearing.talk.id, words("一番高い山は何ですか？"))
        await responder.commit(hearing.talk, TURN, fence=fence)
        finished = await hearing.until("reply.finished")
    begun, *more = [event for event in hearing.seen if event["type"] == "reply.clause"]
    assert finished["text"] == f"{begun['text']}富士山です。"
    assert begun["text"] in OPENINGS["ja"] and [each["text"] for each in more] == ["富士山です。"]
    assert model.asked[0][-1] == ChatMessage("assistant", begun["text"])


async def test_behind_an_opening_one_clause_is_made_ahead_of_the_commit(hearing: Hearing) -> None:
    go_on = asyncio.Event()
    model = ScriptedChatModel(["富士山です。", "二番目は北岳ですね。", Hold(go_on)])
    voice = ToneVoices()
    async with opening(hearing, model, voice=voice) as (responder, fence):
        voice.spoken.clear()
        voice.spoke.clear()
        await responder.speculate(hearing.talk, words("一番高い山は何ですか？"))
        await voice.spoke.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        assert voice.spoken == ["富士山です。"]
        await hearing.log.append(hearing.talk.id, words("一番高い山は何ですか？"))
        await responder.commit(hearing.talk, TURN, fence=fence)
        go_on.set()
        await hearing.until("reply.finished")


@pytest.mark.parametrize("pieces", [["it", " is Fuji."], [" it", " is Fuji."]])
async def test_a_space_is_behind_an_opening_that_wants_one(
    hearing: Hearing, pieces: list[str]
) -> None:
    model = ScriptedChatModel(pieces)
    talk = hearing.talk.model_copy(update={"language": "en"})
    async with opening(hearing, model, "en") as (responder, fence):
        await hearing.log.append(talk.id, words("What is the highest mountain?"))
        await responder.commit(talk, TURN, fence=fence)
        finished = await hearing.until("reply.finished")
    assert finished["text"] in ("Well, it is Fuji.", "Let's see, it is Fuji.")


@pytest.mark.parametrize(
    "language, said, answer, ending",
    [
        ("ja", "一番高い山は何ですか？", "富士山です。", "、富士山です。"),
        ("en", "What is the highest mountain?", "Mount Fuji.", ", Mount Fuji."),
    ],
)
@pytest.mark.parametrize("added", [[], ["\n"]])
async def test_a_model_that_has_nothing_to_add_is_asked_without_the_opening(
    hearing: Hearing, language: str, said: str, answer: str, ending: str, added: list[str]
) -> None:
    model = ScriptedChatModel(added, [answer])
    talk = hearing.talk.model_copy(update={"language": language})
    async with opening(hearing, model, language) as (responder, fence):
        await responder.speculate(talk, words(said))
        await hearing.log.append(talk.id, words(said))
        await responder.commit(talk, TURN, fence=fence)
        finished = await hearing.until("reply.finished")
    _, told = [event for event in hearing.seen if event["type"] == "reply.clause"]
    assert told["text"] == answer == finished["text"][told["start"] : told["end"]]
    assert added or finished["text"].endswith(ending)
    assert [asked[-1].role for asked in model.asked] == ["assistant", "user"]


@pytest.mark.parametrize("instructions, asked", [("英語に訳して。", False), ("", True)])
async def test_no_opening_where_it_may_not_fit(
    hearing: Hearing, instructions: str, asked: bool
) -> None:
    model = ScriptedChatModel(["富士山です。"])
    talk = hearing.talk.model_copy(update={"instructions": instructions})
    async with opening(hearing, model) as (responder, fence):
        await hearing.log.append(hearing.talk.id, words("一番高い山は何ですか？"))
        if asked:  # by a button, whose press is no silence
            await responder.ask(talk, "mari")
        else:
            await responder.commit(talk, TURN, fence=fence)
        finished = await hearing.until("reply.finished")
    assert finished["text"] == "富士山です。"


async def test_who_lost_the_floor_commits_nothing(hearing: Hearing) -> None:
    model = ScriptedChatModel(["はい。"])
    async with answering(hearing, model) as (responder, fence):
        await responder.speculate(hearing.talk, words("元気？"))
        hearing.log.lose_floors()
        await hearing.log.take_floor(hearing.talk.id, "other")
        with pytest.raises(TakenOver):
            await responder.commit(hearing.talk, TURN, fence=fence)
        assert model.running == 0
    assert await ends(hearing) == []


async def test_without_speculation_nothing_is_made_ahead(hearing: Hearing) -> None:
    model = ScriptedChatModel(["はい。"])
    async with answering(hearing, model, speculates=False) as (responder, _):
        await responder.speculate(hearing.talk, words("元気？"))
    assert model.asked == []


class SlowSummaries(MemorySummaries):
    """Once `slow` is set they are not there, and whoever asks waits."""

    def __init__(self, hearing: Hearing) -> None:
        super().__init__(hearing.log)
        self.slow = False
        self.asked = asyncio.Event()

    async def of(self, talk: TalkId) -> Mapping[str, str]:
        if self.slow:
            self.asked.set()
            await asyncio.Event().wait()
        return await super().of(talk)


async def test_who_asks_and_leaves_does_not_leave_what_was_made_ahead_behind(
    hearing: Hearing,
) -> None:
    model = ScriptedChatModel(["はい。", Hold(asyncio.Event())])
    summaries = SlowSummaries(hearing)
    async with answering(hearing, model, summaries=summaries) as (responder, _):
        await responder.speculate(hearing.talk, words("元気？"))
        await begun(model)
        summaries.slow = True
        asking = asyncio.create_task(responder.ask(hearing.talk, "mari"))
        await summaries.asked.wait()
        asking.cancel()
        await asyncio.wait([asking])
        assert model.running == 0


async def test_two_readings_ahead_that_begin_at_once_are_one(hearing: Hearing) -> None:
    class SlowModel(ScriptedChatModel):
        reading = 0

        async def prefill(self, messages: Sequence[ChatMessage], *, talk: str) -> None:
            self.reading += 1
            self.was_prefilled.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.reading -= 1

    model = SlowModel()
    async with answering(hearing, model) as (responder, _):
        await responder.prefill(hearing.talk, words("元気"))
        await model.was_prefilled.wait()
        longer = [words("元気です"), words("元気ですか")]
        await asyncio.gather(*(responder.prefill(hearing.talk, each) for each in longer))
        await responder.discard(hearing.talk.id)
        assert model.reading == 0


class BrokenSummaries(MemorySummaries):
    async def of(self, talk: TalkId) -> Mapping[str, str]:
        raise RuntimeError("a fault of ours")


async def test_a_fault_before_the_model_is_asked_ends_the_reply_and_not_the_server(
    hearing: Hearing,
) -> None:
    summaries = BrokenSummaries(hearing.log)
    async with answering(hearing, ScriptedChatModel(), summaries=summaries) as (responder, _):
        for _ in range(2):
            await responder.ask(hearing.talk, "mari")
            await hearing.until("reply.finished")
    assert await ends(hearing) == [("failed", "")] * 2


async def test_a_reply_that_cannot_be_followed_is_not_made_on(hearing: Hearing) -> None:
    class BrokenWakeups(SlowWakeups):
        async def listen(self, talk: TalkId, on_payload: Callable[[str], None]) -> None:
            raise RuntimeError("a fault of ours")

    model = ScriptedChatModel(["はい。", Hold(asyncio.Event())])
    wakeups = BrokenWakeups(hearing)
    async with answering(hearing, model, wakeups=wakeups) as (responder, fence):
        await responder.speculate(hearing.talk, words("元気？"))
        await begun(model)
        await hearing.log.append(hearing.talk.id, words("元気？"))
        await responder.commit(hearing.talk, TURN, fence=fence)
        await model.left.wait()


class ForgetfulClips(NoClips):
    """Stores what it is given; the answer to the first is lost."""

    def __init__(self) -> None:
        self.stored: dict[ClipId, Speech] = {}
        self._lost = False

    async def put(self, talk: TalkId, voice: str, speech: Speech, clip: ClipId) -> None:
        self.stored[clip] = speech
        if not self._lost:
            self._lost = True
            raise DatabaseDown("the answer was lost")


async def test_a_clip_whose_answer_was_lost_is_stored_once(
    hearing: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "DATABASE_RETRY_S", 0.0)
    clips = ForgetfulClips()
    voices = VoiceBook([ToneVoices()])
    model = ScriptedChatModel(["はい。"])
    async with answering(hearing, model, voices=voices, clips=clips) as (responder, _):
        await responder.ask(hearing.talk, "mari")
        told = await hearing.until("reply.clause")
    assert list(clips.stored) == [told["clip"]]
