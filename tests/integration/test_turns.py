"""A talk without hands: turns end by themselves, and nobody is talked over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kaiwa.adapters.memory import asr
from kaiwa.adapters.memory.llm import Hold
from kaiwa.domain.ids import TalkId
from kaiwa.errors import TakenOver
from kaiwa.policy import playing, turns
from tests.integration.house import WAIT_S, EventReader, Guest, House, ServerKind, house
from tests.integration.speaking import of, speaking
from tests.sounds import silence, speech

LONG = "これはとても長い答えです。まだまだ続きます。"


def says(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """What everybody says from now on, in as many quarters of a second."""
    monkeypatch.setitem(asr.SCRIPTS, "ja", words)


async def was_spoken(home: House) -> None:
    async with asyncio.timeout(WAIT_S):
        await home.tones.spoke.wait()


async def hears(guest: Guest, talk: str, events: EventReader, ms: int = 0) -> dict[str, Any]:
    """Asks for a reply by typing; returns its first clause, of which so much has been played."""
    await guest.http.post(f"/talks/{talk}/messages", json={"text": "話して"})
    clause = await events.until("reply.clause")
    body = {"listener": "device-1", "reply_id": clause["reply_id"], "clause": 0, "ms": ms}
    answer = await guest.http.post(f"/talks/{talk}/heard", json=body)
    assert answer.status_code == 204, answer.text
    return clause


async def test_a_turn_is_answered_once_however_many_utterances_it_has(
    home: House, mari: Guest
) -> None:
    home.chat.replies = [["はい。"]]
    talk = await mari.new_talk(mode="hands-free")
    async with mari.reading(talk) as events:
        await mari.speak(talk, speech(1_500, 900, 1_500, 900, 1_500, 900))
        finished = await events.until("reply.finished")
    said = of(events, "utterance.final")
    (started,) = of(events, "reply.started")
    assert len(said) == 3 and started["cause"] == said[-1]["utterance_id"]
    assert 0 < finished["timing"]["final"] <= finished["timing"]["endpoint"] >= 400
    assert home.chat.asked[-1][-1].content.count(said[0]["text"]) == 3


async def test_a_reply_begun_while_somebody_only_paused_is_never_seen(
    home: House, mari: Guest
) -> None:
    home.chat.replies = [["早すぎました。", Hold(asyncio.Event())], ["ちょうどです。"]]
    talk = await mari.new_talk(mode="hands-free")
    async with mari.reading(talk) as events:
        async with speaking(mari, talk) as microphone:
            microphone.send(speech(600, 300))
            await was_spoken(home)  # its first clause is spoken ahead
            microphone.send(speech(900, 1_500))
            await events.until("reply.finished")
        assert home.chat.left.is_set() and home.chat.running == 0
    assert len(of(events, "reply.started")) == 1
    assert [clause["text"] for clause in of(events, "reply.clause")] == ["ちょうどです。"]
    assert "早すぎ" not in str(events.seen) and "早すぎ" not in str(await mari.events(talk))


async def test_what_was_made_ahead_is_the_reply_when_the_turn_ends_so(
    home: House, mari: Guest
) -> None:
    home.chat.replies = [["はい、そうですね。"], ["二度目です。"]]
    talk = await mari.new_talk(mode="hands-free")
    async with mari.reading(talk) as events, speaking(mari, talk) as microphone:
        microphone.send(speech(1_500, 300))
        await was_spoken(home)
        assert of(events, "reply.started") == []
        microphone.send(silence(900))
        finished = await events.until("reply.finished")
    assert finished["text"] == "はい、そうですね。" and len(home.chat.asked) == 1
    assert "".join(delta["text"] for delta in of(events, "reply.delta")) == finished["text"]


async def test_speculation_can_be_switched_off(database_url: str, server_kind: ServerKind) -> None:
    async with (
        house(database_url, server_kind, speculation=False) as home,
        home.guest("まり") as mari,
    ):
        home.chat.replies = [["はい。"]]
        talk = await mari.new_talk(mode="hands-free")
        async with mari.reading(talk) as events, speaking(mari, talk) as microphone:
            microphone.send(speech(600, 300))
            while not of(events, "speech.started"):
                await events.next()
            microphone.send(speech(900, 900))
            await events.until("reply.finished")
        assert len(home.chat.asked) == 1


async def test_words_over_a_reply_cut_it_and_are_answered(
    home: House, mari: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.chat.replies = [["短い。", Hold(asyncio.Event())], ["どうぞ。"]]
    talk = await mari.new_talk(mode="hands-free")
    async with mari.reading(talk) as events:
        clause = await hears(mari, talk, events, ms=200)
        says(monkeypatch, "それより", "別の", "話を", "して")
        await mari.speak(talk, speech(1_000, 900))
        cut = await events.until("reply.cut")
        await events.until(lambda e: e["type"] == "reply.finished" and e["status"] == "complete")
    assert (cut["reply_id"], cut["by"]) == (clause["reply_id"], mari.id)
    assert cut["heard_text"] == clause["text"]
    assert [m.content for m in home.chat.asked[-1][-2:]] == ["短い。", "それより別の話をして"]
    assert home.chat.running == 0


async def test_a_backchannel_does_not_stop_a_reply_and_is_not_answered(
    home: House, mari: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()
    home.chat.replies = [[LONG, Hold(go_on), "おわり。"]]
    talk = await mari.new_talk(mode="hands-free")
    async with mari.reading(talk) as events:
        await hears(mari, talk, events)
        says(monkeypatch, "うん、")
        await mari.speak(talk, speech(500, 900))
        await events.until("utterance.final")
        go_on.set()
        assert (await events.until("reply.finished"))["status"] == "complete"
        await mari.http.post(f"/talks/{talk}/messages", json={"text": "それで？"})
        second = await events.until("reply.started")
    said = of(events, "utterance.final")
    assert [event["text"] for event in said] == ["話して", "うん、うん、", "それで？"]
    assert second["cause"] == said[-1]["utterance_id"] and of(events, "reply.cut") == []


async def test_the_agents_own_voice_is_neither_written_down_nor_answered(
    home: House, mari: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()
    monkeypatch.setattr(playing, "REACH_S", 3_600)  # it sounds until she speaks
    home.chat.replies = [[LONG, Hold(go_on), "おわり。"]]
    talk = await mari.new_talk(mode="hands-free")
    async with mari.reading(talk) as events:
        await hears(mari, talk, events, ms=100)
        says(monkeypatch, "これは", "とても", "長い", "答えで")
        answer = await mari.speak(talk, speech(1_000, 900), capture="capture-1")
        assert answer.json()["utterances"] == []
        go_on.set()
        assert (await events.until("reply.finished"))["status"] == "complete"
    assert len(of(events, "utterance.final")) == 1 and of(events, "utterance.partial") == []
    head = await mari.http.head(f"/talks/{talk}/captures/capture-1")
    assert int(head.headers["upload-offset"]) > 16_000  # it is not sent again


async def test_it_answers_to_its_name(
    home: House, mari: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.chat.replies = [["はい。"]]
    talk = await mari.new_talk(mode="name", agent_name="ミミ")
    async with mari.reading(talk) as events:
        says(monkeypatch, "今日は", "いい", "天気", "です", "ね")
        await mari.speak(talk, speech(1_200, 900))
        await events.until("utterance.final")
        says(monkeypatch, "ねえ、", "みみ", "、", "今何時", "？")
        await mari.speak(talk, speech(1_200, 900))
        started = await events.until("reply.started")
        await events.until("reply.finished")
    said = of(events, "utterance.final")
    assert started["cause"] == said[1]["utterance_id"] and len(of(events, "reply.started")) == 1


async def test_nobody_is_talked_over(home: House, mari: Guest, ken: Guest) -> None:
    home.chat.replies = [["はい。"]]
    talk = await mari.new_talk(mode="hands-free")
    await mari.http.post(f"/talks/{talk}/members", json={"name": ken.name, "role": "speaker"})
    async with mari.reading(talk) as events, speaking(ken, talk) as kens:
        kens.send(speech(900))
        await events.until("speech.started")
        await mari.speak(talk, speech(1_500, 900))
        await events.until("utterance.final")
        kens.send(speech(1_000, 900))
        started = await events.until("reply.started")
        await events.until("reply.finished")
    said = of(events, "utterance.final")
    assert [event["participant"] for event in said] == [mari.id, ken.id]
    assert started["cause"] == said[1]["utterance_id"]


async def test_the_floor_passes_to_another_process_when_its_owner_is_gone(
    home: House, mari: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "FORGET_WORDS_S", 3_600)  # however long the lease takes to run out
    home.chat.replies = [["はい。"]]
    talk = TalkId(await mari.new_talk(mode="hands-free"))
    log = home.services.event_log
    assert await log.take_floor(talk, "a process that died") == 1
    lost = await log.claim_reply(talk, cause="x", owner="a process that died", name="AI", fence=1)
    async with mari.reading(talk) as events:
        await mari.speak(talk, speech(1_500, 900))
        closed = await events.until("reply.finished")  # when the lease has run out
        assert (closed["reply_id"], closed["status"]) == (lost.reply_id, "interrupted")
        started = await events.until("reply.started")
        await events.until("reply.finished")
    assert started["cause"] == of(events, "utterance.final")[0]["utterance_id"]
    with pytest.raises(TakenOver):
        await log.claim_reply(talk, cause="x", owner="a process that died", name="AI", fence=1)


async def test_talkers_on_two_processes_have_one_agent(
    database_url: str, server_kind: ServerKind
) -> None:
    async with (
        house(database_url, server_kind) as one,
        house(database_url, server_kind) as two,
        one.guest("まり") as mari,
        two.guest("Ken") as ken,
    ):
        one.chat.replies = two.chat.replies = [["はい。"]]
        talk = await mari.new_talk(mode="hands-free")
        await mari.http.post(f"/talks/{talk}/members", json={"name": ken.name, "role": "speaker"})
        async with (
            mari.reading(talk) as events,
            speaking(mari, talk) as maris,
            speaking(ken, talk) as kens,
        ):
            maris.send(speech(1_000))
            await events.until("speech.started")
            kens.send(speech(1_000))
            await events.until("speech.started")
            maris.send(silence(900))
            await events.until("utterance.final")
            kens.send(speech(300, 900))
            await events.until("reply.finished")
        assert len(of(events, "reply.started")) == 1
        assert len(of(events, "utterance.final")) == 2
        assert sorted([len(one.chat.asked) > 0, len(two.chat.asked) > 0]) == [False, True]
