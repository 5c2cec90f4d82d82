"""How long a silence must last after which words."""

from __future__ import annotations

import pytest

from kaiwa.policy.completeness import LONGEST_WAIT_S, Completeness, completeness, patience_s

COMPLETE = """
今日の予定を教えてください。|おすすめの映画はありますか？|富士山の高さは何メートルですか|そうだね|東京の天気を教えて|お願いします
こんにちは|ありがとう|はい|どう思う？|それは何|何時に始まるの？|いい天気ですね。|教えて。|明日の天気は？|どうするの
週末は何をしたらいいと思う|どうすればいい。
What is the capital of Japan?|Thank you.|Yes.|How do I boil an egg
When is it?|Tell me a short joke.|Can you help me with this?|I think so.|Okay
"""
UNFINISHED = """
明日の天気は|東京から|京都と|行きたいんだけど|買い物に行って|もし雨が降ったら|えーとですね、
美味しいものを|昨日はねえ、|週末の
I would like to know the|What is the capital of|I want to|because
Let me see|you know|Could you tell me|Well, I
If it rains tomorrow.|When I was young|But since you ask
"""
NOTHING = "えーと|えーと、|あのー|それで|でも|うーん、|まあ|なんか|um|Well,|and|So...|えーと、あの"
OPEN = (
    "|昨日食べた|猫|赤いの車|いつでもいい|何かいい|なんだかいい|誰にでもいい|どうしてもいいと思う|"
    "I went to Kyoto yesterday.|If it rains, I stay|Dogs"
)


def cases(text: str) -> list[str]:
    return [each for line in text.strip().splitlines() for each in line.split("|")]


@pytest.mark.parametrize("text", cases(COMPLETE))
def test_a_closed_sentence_a_question_or_a_request_is_complete(text: str) -> None:
    assert completeness(text) is Completeness.COMPLETE


@pytest.mark.parametrize("text", cases(UNFINISHED))
def test_a_filler_a_conjunction_or_a_dangling_particle_has_more_to_come(text: str) -> None:
    assert completeness(text) is Completeness.UNFINISHED


@pytest.mark.parametrize("text", NOTHING.split("|"))
def test_a_filler_alone_is_nothing_to_answer(text: str) -> None:
    assert completeness(text) is Completeness.NOTHING
    assert patience_s(text, 0.99) > LONGEST_WAIT_S


def test_asked_it_is_a_question() -> None:
    assert completeness("それで？") is not Completeness.NOTHING


@pytest.mark.parametrize("text", OPEN.split("|"))
def test_other_words_may_go_on_or_not(text: str) -> None:
    assert completeness(text) is Completeness.OPEN


def test_words_and_score_move_the_moment_and_neither_decides_alone() -> None:
    question, open_end, dangling = "元気ですか？", "猫", "明日の天気は"
    assert patience_s(question, 0.9) < patience_s(question, None) < patience_s(question, 0.1)
    assert patience_s(question, 0.9) == 0.45
    assert patience_s(question, 0.0) <= 0.7  # a low score never blocks
    assert patience_s(open_end, 0.9) > 0.45 and patience_s(open_end, 0.0) <= 1.0
    assert patience_s(dangling, 0.99) > 1.2  # a high one never decides alone
    assert patience_s(dangling, 0.0) == LONGEST_WAIT_S
