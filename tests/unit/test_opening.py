"""What an answer may begin with."""

from __future__ import annotations

import pytest

from kaiwa.policy.opening import is_opening, opening

THINKING = {"ja": {"ええと、", "そうですね、"}, "en": {"Well,", "Let's see,"}}
WILLING = {"ja": {"はい、", "そうですね、"}, "en": {"Okay,", "Sure,"}}
LISTENING = {"ja": {"そうですか、", "なるほど、"}}


@pytest.mark.parametrize(
    "said, language, fitting",
    [
        ("日本の首都はどこですか", "ja", THINKING),
        ("週末は何をしたらいいと思う？", "ja", THINKING),
        ("週末は何をしたらいいと思う。", "ja", THINKING),
        ("東京はフランスの首都ですか？", "ja", THINKING),
        ("今日は疲れた。明日は晴れるかな。", "ja", THINKING),
        ("簡単に作れる料理を教えて。", "ja", WILLING),
        ("それを説明してください", "ja", WILLING),
        ("今日は疲れました。", "ja", LISTENING),
        ("What is the capital of Japan?", "en", THINKING),
        ("Is Tokyo in France", "en", THINKING),
        ("Can you tell me a joke?", "en", WILLING),
        ("Please explain the tides.", "en", WILLING),
        ("You like it, right?", "en", THINKING),
        ("Mari: It is late\nKen: Tell me about Kyoto.", "en", WILLING),
    ],
)
def test_it_fits_what_was_said(said: str, language: str, fitting: dict[str, set[str]]) -> None:
    first = opening(said, language)
    assert first in fitting[language]
    assert opening(said, "auto") == first
    assert opening(said, language, before=f"{first}そう。") in fitting[language] - {first}
    assert is_opening(first) and not is_opening(f"{first}そう。")


@pytest.mark.parametrize(
    "said",
    [
        "こんにちは。",
        "ありがとうございました。",
        "はい",
        "Hello there!",
        "Thank you so much.",
        "Yes.",
        "",
        "。",
    ],
)
def test_nothing_fits_greetings_thanks_and_short_answers(said: str) -> None:
    assert opening(said, "auto") == ""


@pytest.mark.parametrize(
    "said",
    [
        "If it rains tomorrow,",
        "京都で有名な",
        "明日の天気は",
        "My dog died yesterday",
        "昨日行ったんだけど、",
    ],
)
def test_nothing_sounds_at_once_while_somebody_may_go_on(said: str) -> None:
    assert opening(said, "auto") == ""


def test_other_languages_have_none() -> None:
    assert opening("Wie hoch ist der Fuji?", "de") == ""
