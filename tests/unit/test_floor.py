"""Who attends a talk, while people come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from kaiwa.adapters.memory.event_log import MemoryEventLog
from kaiwa.adapters.memory.llm import Hold, ScriptedChatModel
from kaiwa.adapters.memory.summaries import MemorySummaries
from kaiwa.adapters.memory.talks import MemoryTalks
from kaiwa.domain.audio import Speech, wav
from kaiwa.domain.events import SpeechStarted
from kaiwa.domain.ids import ClipId, TalkId
from kaiwa.domain.talk import Mode, TalkSettings
from kaiwa.errors import DatabaseDown
from kaiwa.pipeline import floor
from kaiwa.pipeline.fan_out import FanOut
from kaiwa.pipeline.floor import Attendance, Floors
from kaiwa.pipeline.loudness import clip_powers
from kaiwa.pipeline.respond import Responder
from kaiwa.pipeline.voices import VoiceBook
from kaiwa.policy.turn_decisions import Decision, Speculate
from kaiwa.ports.clip_store import Clip, ClipFormat
from tests.fakes.hearing import MARI, NoClips
from tests.unit.turn_table import Table, signal


class SlowLog(MemoryEventLog):
    """Takes and releases floors when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Semaphore(0)
        self.go = asyncio.Event()

    async def take_floor(self, talk: TalkId, owner: str) -> int | None:
        self.asked.release()
        await self.go.wait()
        return await super().take_floor(talk, owner)


async def test_who_comes_while_the_floors_are_looked_after_is_attended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(floor, "RENEW_S", 0.01)
    log = SlowLog()
    talks = MemoryTalks(log)
    talks.add_user(MARI)
    talk = await talks.create(MARI, TalkSettings(language="ja"), None)
    parts = {
        "event_log": log,
        "wakeups": log,
        "clips": None,
        "summaries": MemorySummaries(log),
        "model": ScriptedChatModel(),
    }
    async with (
        Responder.run(**parts, voices=VoiceBook([]), owner="here") as responder,
        FanOut.run(log, log) as fan_out,
        Floors.run(log, fan_out, NoClips(), responder, "here") as floors,
        asyncio.TaskGroup() as tasks,
    ):
        attending = floors.attending(talk)
        entered = tasks.create_task(attending.__aenter__())
        await log.asked.acquire()
        await log.asked.acquire()  # the floors are looked after meanwhile
        log.go.set()
        attendance = await entered
        assert attendance.fence is not None
        assert attendance.task is not None and not attendance.task.done()
        await attending.__aexit__(None, None, None)


async def test_a_database_that_stays_away_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = MemoryEventLog()
    talks = MemoryTalks(log)
    talks.add_user(MARI)
    talk = await talks.create(MARI, TalkSettings(language="ja"), None)
    parts = {"event_log": log, "wakeups": log, "clips": None, "model": ScriptedChatModel()}
    summaries = MemorySummaries(log)
    async with (
        Responder.run(
            **parts, summaries=summaries, voices=VoiceBook([]), owner="here"
        ) as responder,
        FanOut.run(log, log) as fan_out,
        Floors.run(log, fan_out, NoClips(), responder, "here") as floors,
    ):
        log.down = True
        with monkeypatch.context() as impatient, pytest.raises(DatabaseDown):
            impatient.setattr(floor, "DATABASE_PATIENCE_S", 0)
            async with floors.attending(talk):
                pytest.fail("there is nothing to attend")
        log.down = False
        async with floors.attending(talk) as attendance:
            assert attendance.reading.is_set()


async def test_a_database_that_falls_silent_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Silent(MemoryEventLog):
        async def release_floor(self, talk: TalkId, owner: str) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(floor, "FLOOR_LEASE_S", 0)
    log = Silent()
    talks = MemoryTalks(log)
    talks.add_user(MARI)
    parts = {"event_log": log, "wakeups": log, "clips": None, "model": ScriptedChatModel()}
    summaries = MemorySummaries(log)
    attended: list[Attendance] = []
    async with (
        Responder.run(
            **parts, summaries=summaries, voices=VoiceBook([]), owner="here"
        ) as responder,
        FanOut.run(log, log) as fan_out,
        Floors.run(log, fan_out, NoClips(), responder, "here") as floors,
    ):
        for _ in range(2):
            talk = await talks.create(MARI, TalkSettings(language="ja"), None)
            async with floors.attending(talk) as attendance:
                attended.append(attendance)
    assert all(each.task is not None and each.task.done() for each in attended)


async def until(holds: Callable[[], bool]) -> None:
    while True:
        if holds():
            return
        await asyncio.sleep(0)


@pytest.mark.parametrize("end", ["lost", "deleted"])
async def test_what_is_made_ahead_is_thrown_away_with_the_floor_and_the_talk(
    monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(floor, "RENEW_S", 0.01)
    log = MemoryEventLog()
    talks = MemoryTalks(log)
    talks.add_user(MARI)
    talk = await talks.create(MARI, TalkSettings(language="ja", mode=Mode.HANDS_FREE), None)
    model = ScriptedChatModel(["はい。", Hold(asyncio.Event())])
    parts = {"event_log": log, "wakeups": log, "clips": None, "model": model}
    summaries = MemorySummaries(log)
    async with (
        Responder.run(
            **parts, summaries=summaries, voices=VoiceBook([]), owner="here"
        ) as responder,
        FanOut.run(log, log) as fan_out,
        Floors.run(log, fan_out, NoClips(), responder, "here") as floors,
        floors.attending(talk) as attendance,
    ):
        await log.tell(talk.id, SpeechStarted(participant=MARI.id, capture=MARI.id))
        await log.tell(talk.id, signal("paused", MARI.id, utterance_id="u-1", text="天気は？"))
        await until(lambda: bool(model.running))
        if end == "deleted":
            await talks.delete(talk.id, MARI.id)
        else:
            log.lose_floors()
            await log.take_floor(talk.id, "there")
            await until(lambda: attendance.fence is None)
            await log.tell(talk.id, signal("resumed", MARI.id))
        await model.left.wait()
        assert model.running == 0


async def test_two_who_hear_the_agent_at_once_both_know_its_voice() -> None:
    sound = np.random.default_rng(1).integers(-9_000, 9_000, 48_000) * np.hanning(48_000)
    heard = Speech(sound.astype(np.int16), 24_000)

    class SlowClips(NoClips):
        async def find(self, talk: TalkId, clip: ClipId, media_type: ClipFormat) -> Clip:
            await asyncio.sleep(0)
            return Clip(media_type, wav(heard))

    table = Table().replies_with("富士山です。")
    attendance = Attendance(table.turns.talk, SlowClips())
    attendance.turns = table.turns
    levels = clip_powers(wav(heard))
    other_words = "関係のない言葉でした"
    found = await asyncio.gather(
        *(attendance.is_echo(other_words, table.now, table.now + 2, levels) for _ in range(2))
    )
    assert found == [True, True]


async def test_who_gets_the_floor_in_a_pause_makes_the_reply_ahead() -> None:
    log = MemoryEventLog()
    talks = MemoryTalks(log)
    talks.add_user(MARI)
    talk = await talks.create(MARI, TalkSettings(language="ja", mode=Mode.HANDS_FREE), None)
    attendance = Attendance(talk, NoClips())
    decided: asyncio.Queue[Decision] = asyncio.Queue()

    async def act(_: Attendance, decision: Decision) -> None:
        await decided.put(decision)

    async def guess() -> Speculate:
        while not isinstance(decision := await decided.get(), Speculate):
            pass
        return decision

    async with FanOut.run(log, log) as fan_out, asyncio.TaskGroup() as tasks:
        attending = tasks.create_task(attendance.attend(log, fan_out, act))
        await attendance.reading.wait()
        attendance.took(1)
        await log.tell(talk.id, SpeechStarted(participant=MARI.id, capture=MARI.id))
        await log.tell(talk.id, signal("paused", MARI.id, utterance_id="u-1", text="天気は？"))
        first = await guess()
        attendance.took(None)
        attendance.took(2)
        assert await guess() == first
        attending.cancel()
