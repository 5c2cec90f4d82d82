"""What words over a reply mean: listening, stopping it, speaking."""

from __future__ import annotations

import pytest

from kaiwa.policy.barge_in import Words, asks_for_silence, words_over


def cases(text: str) -> list[str]:
    return [each for line in text.strip().splitlines() for each in line.split("|")]


BACKCHANNELS = cases("""
うん|うんうん|うーん。|はい|はいはい。|なるほど|なるほどね|へえ|へー
ヘー|そう|そうそう|そうですね。|ええ|ふーん|そうなんですか
ああ、なるほど|うん、そうそう|ほんとに？|Uh-huh.|uh huh|Yeah.|Mm-hmm|Mhm.|I see.
Oh, really?|Okay.|Right, right.|Hai.|Wow|そうなんだ！|文や|そうですれ|はーい|ハイ
""")
STOPS = cases("""
待って|まって。|待って待って|ちょっと待って|ちょっと|ストップ
スットプ|ストップ！|止めて|やめて|もういい|違う|ちょっといい？
いや、待って|ちょっとまってください|Stop.|Wait|wait wait|Wait a minute|Hold on.
No, stop|hang on|Stop it please|Okay stop|chotto matte|Shut up.|Stopp|That's enough.
また|待てくる|スダープ|そっと待って
""")
SPEECH = cases("""
それより明日の天気は|大阪はどうですか|もっと短く言ってください|京都タワー
そうじゃなくて東京の話なんだけど|What about tomorrow?|Tell me about Osaka instead
No, I meant the other one|はい、でも高すぎます
""")


@pytest.mark.parametrize("text", BACKCHANNELS)
def test_a_backchannel_does_not_end_a_reply(text: str) -> None:
    assert words_over(text, ended=True) is Words.BACKCHANNEL
    assert words_over(text, ended=False) is Words.UNSURE


@pytest.mark.parametrize("text", STOPS)
def test_a_word_of_stop_ends_it_at_once(text: str) -> None:
    assert words_over(text, ended=False) is Words.STOP


@pytest.mark.parametrize("text", SPEECH)
def test_other_words_end_it(text: str) -> None:
    assert words_over(text, ended=True) in (Words.SPEECH, Words.STOP)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "…",
        "そうですれ",
        "そういったら、",
        "そうな",
        "なる",
        "うんそ",
        "I se",
        "Okay, ri",
        "で",
        "m",
    ],
)
def test_too_little_decides_nothing_yet(text: str) -> None:
    assert words_over(text, ended=False) is Words.UNSURE


@pytest.mark.parametrize("text", ["明日は京都に行く", "I want to ask about tomorrow"])
def test_speech_is_known_before_it_ends(text: str) -> None:
    assert words_over(text, ended=False) is Words.SPEECH


@pytest.mark.parametrize(
    ("before", "text"),
    [("それ", "それより"), ("じゃあ明", "じゃあ、明日"), ("What a", "What about")],
)
def test_what_two_hypotheses_agree_on_is_speech_sooner(before: str, text: str) -> None:
    assert words_over(text, ended=False) is Words.UNSURE
    assert words_over(text, ended=False, before=before) is Words.SPEECH


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("うまい", "おなわ"),
        ("そう", "そういったら"),
        ("I s", "I see, I s"),
        ("That's g", "That's great"),
    ],
)
def test_two_that_differ_or_begin_a_backchannel_are_not(before: str, text: str) -> None:
    assert words_over(text, ended=False, before=before) is Words.UNSURE


@pytest.mark.parametrize("text", STOPS)
def test_a_word_of_stop_alone_wants_no_answer(text: str) -> None:
    assert asks_for_silence(text)


@pytest.mark.parametrize(
    "text", ["ちょっと待って、それより大阪はどうなの？", "Stop, tell me about Osaka"]
)
def test_a_word_of_stop_before_a_question_wants_one(text: str) -> None:
    assert words_over(text, ended=True) is Words.STOP and not asks_for_silence(text)
