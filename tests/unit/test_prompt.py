"""A talk's events as the messages a chat model gets."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from kaiwa.domain.chat import ChatMessage
from kaiwa.domain.events import (
    Durable,
    Recorded,
    ReplyCut,
    ReplyFinished,
    ReplyStarted,
    UtteranceEdited,
    UtteranceFinal,
)
from kaiwa.domain.ids import TalkId
from kaiwa.domain.talk import Role, Talk
from kaiwa.policy.prompt import SUMMARIES, blocks, chat_prompt, estimate_tokens


def talk(language: str = "ja", instructions: str = "", agent_name: str = "みみ") -> Talk:
    return Talk.model_validate(
        {
            "id": TalkId("t"),
            "created_at": datetime(2026, 1, 1, tzinfo=UTC),
            "seq": 0,
            "role": Role.OWNER,
            "language": language,
            "instructions": instructions,
            "agent_name": agent_name,
        }
    )


def log(*events: Durable) -> list[Recorded]:
    return [Recorded(seq=seq, event=event) for seq, event in enumerate(events, 1)]


def said(text: str, who: str = "Aki", id: str = "") -> UtteranceFinal:
    return UtteranceFinal(
        utterance_id=id or text,
        participant=who.lower(),
        name=who,
        text=text,
        language="ja",
        started_ms=0,
        ended_ms=1,
    )


def reply(text: str, id: str = "", status: str = "complete") -> list[Durable]:
    id = id or text
    return [
        ReplyStarted(reply_id=id, generation=1, cause="aki", name="みみ"),
        ReplyFinished.model_validate({"reply_id": id, "status": status, "text": text}),
    ]


def cut(reply_id: str, heard_text: str) -> ReplyCut:
    return ReplyCut(reply_id=reply_id, by="aki", clause=0, ms=0, heard_text=heard_text)


def history(events: Iterable[Recorded], **settings: str) -> list[tuple[str, str]]:
    messages = chat_prompt(talk(**settings), list(events))
    assert messages[0].role == "system"
    return [(message.role, message.content) for message in messages[1:]]


def test_what_was_said_and_replied_in_turn() -> None:
    assert history(log(said("やあ"), *reply("こんにちは。"), said("元気？"))) == [
        ("user", "やあ"),
        ("assistant", "こんにちは。"),
        ("user", "元気？"),
    ]


def test_the_corrected_text_wins() -> None:
    edited = UtteranceEdited(utterance_id="u", text="雨です", by="aki")
    assert history(log(said("飴です", id="u"), edited)) == [("user", "雨です")]


def test_utterances_of_one_turn_are_one_message() -> None:
    assert history(log(said("あのね"), said("聞いて"))) == [("user", "あのね\n聞いて")]


def test_names_are_told_once_several_people_speak() -> None:
    assert history(log(said("やあ"), *reply("はい。"), said("どうも", who="Ben"))) == [
        ("user", "Aki: やあ"),
        ("assistant", "はい。"),
        ("user", "Ben: どうも"),
    ]


def test_a_cut_reply_is_what_was_heard() -> None:
    events = log(
        said("話して"), *reply("昔々、ある所に。", id="r"), cut("r", "昔々、"), said("待って")
    )
    assert history(events) == [("user", "話して"), ("assistant", "昔々、"), ("user", "待って")]


def test_a_cut_counts_even_if_the_reply_finishes_after_it() -> None:
    started, finished = reply("昔々、ある所に。", id="r", status="interrupted")
    events = log(said("話して"), started, cut("r", "昔々、"), finished, said("待って"))
    assert history(events) == [("user", "話して"), ("assistant", "昔々、"), ("user", "待って")]


def test_a_reply_stands_before_what_was_said_over_it() -> None:
    started, finished = reply("昔々、", id="r", status="interrupted")
    assert history(log(said("話して"), started, said("待って"), finished)) == [
        ("user", "話して"),
        ("assistant", "昔々、"),
        ("user", "待って"),
    ]


def test_replies_nobody_heard_and_replies_still_going_on_are_left_out() -> None:
    events = log(
        said("一"),
        *reply("", id="failed", status="failed"),
        *reply("消えた", id="hidden"),
        cut("hidden", ""),
        said("二"),
        ReplyStarted(reply_id="now", generation=3, cause="aki", name="みみ"),
    )
    assert history(events) == [("user", "一\n二")]


def test_a_reply_that_did_not_get_beyond_its_opening_is_left_out() -> None:
    events = [
        said("富士山は？"),
        *reply("ええと、3776メートルです。", "r"),
        cut("r", "ええと、"),
        said("ねえ。"),
    ]
    assert history(log(*events)) == [("user", "富士山は？\nねえ。")]


def test_what_is_read_ahead_ends_with_the_last_reply() -> None:
    events = log(said("やあ。"), *reply("こんにちは。"))
    read = chat_prompt(talk(), events, asked=False)
    assert read[-1] == ChatMessage("assistant", "こんにちは。")
    assert chat_prompt(talk(), [*events, *log(said("元気？"))])[: len(read)] == read


@pytest.mark.parametrize("language", ["ja", "en", "auto"])
def test_asked_without_anything_new_the_model_is_asked_to_go_on(language: str) -> None:
    messages = history(log(said("やあ"), *reply("はい。")), language=language)
    assert [role for role, _ in messages] == ["user", "assistant", "user"]
    assert [role for role, _ in history([], language=language)] == ["user"]


def test_a_talk_that_begins_with_a_reply_still_begins_with_a_user() -> None:
    assert [role for role, _ in history(log(*reply("ようこそ。"), said("どうも")))] == [
        "user",
        "assistant",
        "user",
    ]


def test_the_system_prompt_is_made_of_the_settings_alone() -> None:
    settings = talk(instructions="関西弁で。")
    early = chat_prompt(settings, log(said("やあ")))[0]
    late = chat_prompt(settings, log(said("やあ"), *reply("はい。"), said("ね")))[0]
    assert early == late
    assert "みみ" in early.content
    assert "関西弁で。" in early.content
    assert "日本語" in early.content


def test_names_are_explained_once_several_people_have_spoken() -> None:
    alone = chat_prompt(talk(), log(said("やあ")))[0]
    together = chat_prompt(talk(), log(said("やあ"), said("ね", who="Ben")))[0]
    assert "名前: " not in alone.content
    assert "名前: " in together.content


def test_the_language_of_the_prompt() -> None:
    assert "French" in chat_prompt(talk("fr"), [])[0].content
    assert "English" in chat_prompt(talk("en"), [])[0].content
    assert "language of the last message" in chat_prompt(talk("auto"), [])[0].content


def test_a_long_talk_fits_the_budget_and_keeps_its_newest_words() -> None:
    events: list[Durable] = []
    for turn in range(60):
        events += [said(f"{turn}番目の質問です。" * 4), *reply(f"{turn}番目の答えです。" * 4)]
    events.append(said("最後の質問。"))
    messages = chat_prompt(talk(), log(*events), budget=1_000)
    assert sum(estimate_tokens(message.content) for message in messages) <= 1_000
    assert messages[-1].content == "最後の質問。"
    assert messages[1].role == "user"


def test_a_long_talk_begins_alike_for_several_turns() -> None:
    events: list[Durable] = []
    begins: list[str] = []
    for turn in range(60):
        events.append(said(f"{turn}番目の質問です。" * 4))
        begins.append(chat_prompt(talk(), log(*events), budget=1_000)[1].content)
        events += reply(f"{turn}番目の答えです。" * 4)
    changes = sum(before != after for before, after in pairwise(begins))
    assert 1 < changes < 15


def test_one_message_that_is_too_long_is_shortened() -> None:
    messages = chat_prompt(talk(), log(said("長" * 20_000)), budget=1_000)
    assert sum(estimate_tokens(message.content) for message in messages) <= 1_000
    assert messages[-1].content.startswith("長長")


def test_long_instructions_leave_room_for_the_talk() -> None:
    messages = chat_prompt(talk(instructions="規則" * 4_000), log(said("やあ")), budget=1_000)
    assert sum(estimate_tokens(message.content) for message in messages) <= 1_000
    assert messages[-1].content == "やあ"


def long_talk(turns: int) -> list[Durable]:
    events: list[Durable] = []
    for turn in range(turns):
        events += [said(f"{turn}番目の質問です。" * 4), *reply(f"{turn}番目の答えです。" * 4)]
    return [*events, said("最後の質問。")]


def test_what_is_cut_stays_in_short_and_changes_only_when_more_is_cut() -> None:
    seen: list[tuple[str, str]] = []
    for turns in range(1, 60):
        events = log(*long_talk(turns))
        summaries = {
            b.digest: b.messages[0].content[:6] for b in blocks(talk(), events, budget=1_000)
        }
        messages = chat_prompt(talk(), events, summaries, budget=1_000)
        assert sum(estimate_tokens(message.content) for message in messages) <= 1_000
        seen.append((messages[0].content, messages[1].content))
    changes = [(a, b) for a, b in pairwise(seen) if a != b]
    assert 1 < len(changes) < 15
    assert all(a[1] != b[1] for a, b in changes)  # never without a cut
    assert seen[0][0] in seen[-1][0] and "- 0番目の質" in changes[0][1][0]


def test_a_block_is_known_before_it_is_cut() -> None:
    known: set[str] = set()
    for turns in range(60):
        events = log(*long_talk(turns))
        wanted = [block.digest for block in blocks(talk(), events, budget=1_000)]
        prompt = chat_prompt(talk(), events, dict.fromkeys(known, "要約"), budget=1_000)
        assert prompt[0].content.count("- ") == prompt[0].content.count("- 要約") <= SUMMARIES
        known.update(wanted)


def test_without_a_summary_the_first_words_stand_in_for_it() -> None:
    system = chat_prompt(talk(), log(*long_talk(30)), budget=1_000)[0].content
    assert "番目の質問です。" in system and "番目の答え" not in system


def test_a_correction_of_words_that_are_cut_makes_it_another_block() -> None:
    events = long_talk(30)
    before = blocks(talk(), log(*events), budget=1_000)
    first = before[0].messages[0].content.split("\n")[0]
    edited = UtteranceEdited(utterance_id=first, text=first.replace("質問", "訂正"), by="aki")
    after = blocks(talk(), log(*events, edited), budget=1_000)
    assert [b.digest for b in after][1:] == [b.digest for b in before][1:]
    assert before[0].digest not in {b.digest for b in after}
