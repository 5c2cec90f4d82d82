"""A talk's events folded into what it says now."""

from __future__ import annotations

from kaiwa.domain.events import (
    Durable,
    MemberJoined,
    Recorded,
    ReplyCut,
    ReplyFinished,
    ReplyStarted,
    UtteranceEdited,
    UtteranceFinal,
)
from kaiwa.domain.talk import AGENT, Role
from kaiwa.policy.transcript import lines


def said(text: str, utterance: str) -> UtteranceFinal:
    return UtteranceFinal(
        utterance_id=utterance,
        participant="mari",
        name="まり",
        text=text,
        language="ja",
        started_ms=100,
        ended_ms=900,
    )


def started(reply: str) -> ReplyStarted:
    return ReplyStarted(reply_id=reply, generation=1, cause="mari", name="みみ")


def finished(reply: str, text: str) -> ReplyFinished:
    return ReplyFinished(reply_id=reply, status="complete", text=text)


def cut(reply: str, heard: str) -> ReplyCut:
    return ReplyCut(reply_id=reply, by="mari", clause=0, ms=5, heard_text=heard)


def edit(utterance: str, text: str) -> UtteranceEdited:
    return UtteranceEdited(utterance_id=utterance, text=text, by="mari")


def spoken(*events: Durable) -> list[tuple[str, str]]:
    recorded = [Recorded(seq=n, event=event) for n, event in enumerate(events, start=1)]
    return [(line.name, line.text) for line in lines(recorded)]


def test_utterances_and_replies_in_the_order_of_the_log() -> None:
    events = (said("天気は？", "u"), started("r"), said("ねえ", "v"), finished("r", "晴れです。"))
    assert spoken(*events) == [("まり", "天気は？"), ("みみ", "晴れです。"), ("まり", "ねえ")]


def test_who_and_when() -> None:
    person, agent = lines(
        Recorded(seq=n, event=event)
        for n, event in enumerate([said("はい", "u"), started("r"), finished("r", "うん")])
    )
    assert (person.participant, person.is_reply) == ("mari", False)
    assert (person.started_ms, person.ended_ms, person.language) == (100, 900, "ja")
    assert (agent.participant, agent.is_reply, agent.started_ms) == (AGENT, True, None)


def test_the_last_correction_counts() -> None:
    events = (said("雨", "u"), edit("u", "飴"), edit("u", "あめ"), edit("nobody's", "x"))
    assert spoken(*events) == [("まり", "あめ")]


def test_what_is_corrected_to_nothing_is_left_out() -> None:
    assert spoken(said("えーと", "u"), edit("u", "  ")) == []


def test_a_cut_reply_holds_what_was_heard_whichever_came_first() -> None:
    whole, heard = finished("r", "はい、そうです。"), cut("r", "はい、")
    assert spoken(started("r"), whole, heard) == [("みみ", "はい、")]
    assert spoken(started("r"), heard, whole) == [("みみ", "はい、")]


def test_what_nobody_heard_or_nobody_finished_is_left_out() -> None:
    assert spoken(started("r"), finished("r", "はい。"), cut("r", "")) == []
    assert spoken(started("r")) == []
    assert spoken(finished("of another log", "はい。"), cut("of another log", "は")) == []


def test_other_events_say_nothing() -> None:
    assert spoken(MemberJoined(participant="ken", name="Ken", role=Role.SPEAKER)) == []
