"""Stable text is what the hypotheses of some time agree on, and it never changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiwa.domain.speech import Hypothesis, Partial
from kaiwa.policy.agreement import DOUBTED, OLD, STEADY, SURE, Agreement, fold, is_spaced, join


def sure(text: str) -> Partial:
    return Partial(text, (1.0,) * len(text))


def after(*texts: str) -> Hypothesis:
    """One hypothesis each DOUBTED of sound: long enough for all that they agree on."""
    agreement = Agreement()
    for number, text in enumerate(texts):
        agreement.update(sure(text), number * DOUBTED)
    return agreement.hypothesis


def shown(hypothesis: Hypothesis) -> str:
    return hypothesis.stable + hypothesis.tentative


def test_one_hypothesis_makes_nothing_stable() -> None:
    assert after("今日は") == Hypothesis("", "今日は", 1)


def test_two_that_agree_make_their_common_beginning_stable() -> None:
    assert after("今日はいい", "今日は天気が") == Hypothesis("今日は", "天気が", 2)


def test_punctuation_spacing_width_and_case_do_not_part_hypotheses() -> None:
    assert after("今日は。ABCが", "今日は、 ＡＢＣです").stable == "今日は、 ＡＢＣ"
    assert after("Hello, world now", "hello world again").stable == "hello world"


def test_what_follows_the_last_agreed_character_is_still_open() -> None:
    hypothesis = after("今日は。", "今日は、")

    assert hypothesis.stable == "今日は"
    assert hypothesis.tentative == "、"


def test_a_word_with_spaces_is_never_split() -> None:
    hypothesis = after("I would like the", "I would like them all")

    assert hypothesis.stable == "I would like"
    assert shown(hypothesis) == "I would like them all"


def test_a_word_that_may_go_on_is_not_stable() -> None:
    assert after("it was fun", "it was fun").stable == "it was"
    assert after("it was fun", "it was fun to").stable == "it was fun"
    assert after("it was 3.", "it was 3.").stable == "it was"


def test_what_the_decoder_doubts_takes_longer() -> None:
    doubted = Partial("昨日は雨", (1.0, 1.0, 1.0, SURE / 2))
    agreement = Agreement()
    agreement.update(doubted, 0)
    assert agreement.update(sure("昨日は雨が"), STEADY).stable == "昨日は"
    assert agreement.update(doubted, DOUBTED).stable == "昨日は雨"


def test_where_doubt_is_not_told_everything_is_doubted() -> None:
    agreement = Agreement()
    agreement.update(Partial("昨日は"), 0)
    assert agreement.update(Partial("昨日は雨"), STEADY).stable == ""
    assert agreement.update(Partial("昨日は雨が"), DOUBTED).stable == "昨日は"


def test_numbers_and_apostrophes_are_one_word() -> None:
    assert after("it's 3.5 metres", "it's 3.7 metres").stable == "it's"
    assert after("I don't know", "I don two").stable == "I"


def test_a_latin_word_in_japanese_is_not_split() -> None:
    assert after("私はMicroの", "私はMicrosoftの").stable == "私は"


def test_a_loanword_is_stable_as_a_whole_and_a_compound_as_it_grows() -> None:
    assert after("これはマイク", "これはマイクロ").stable == "これは"
    assert after("これはマイクロの", "これはマイクロの").stable == "これはマイクロの"
    assert after("カスタムスピーチ", "カスタムスピーチポ").stable == "カスタムスピーチ"
    assert after("ラーメンとパン", "ラーメンとパン").stable == "ラーメンと"


def test_what_is_heard_late_of_a_loanword_is_not_lost() -> None:
    said = after("あまとオが", "あまとオが", "オーディオ再生または")
    assert shown(said) == "あまとオがディオ再生または"


def test_agreement_goes_on_behind_the_stable_text() -> None:
    hypothesis = after("今日は", "今日はいい", "今日はいい天気", "今日はいい天気です")

    assert hypothesis == Hypothesis("今日はいい天気", "です", 4)


def test_the_revision_moves_only_when_the_text_does() -> None:
    assert after("今日は", "今日は", "今日は", "今日は").revision == 2


def test_stable_stays_and_the_rest_goes_on_where_it_was_misheard() -> None:
    hypothesis = after("機能は雨でした", "機能は雨でした", "昨日は雨でした。でも今日は晴れ")

    assert hypothesis.stable == "機能は雨でした"
    assert shown(hypothesis) == "機能は雨でした。でも今日は晴れ"


def test_nothing_is_said_twice_when_the_beginning_grows_or_shrinks() -> None:
    grown = after("パスタを食べた", "パスタを食べた", "えっとパスタを食べた後で寝た")
    assert shown(grown) == "パスタを食べた後で寝た"

    shrunk = after("えっとパスタを食べた", "えっとパスタを食べた", "パスタを食べた後で寝た")
    assert shown(shrunk) == "えっとパスタを食べた後で寝た"


def test_a_word_that_comes_in_later_does_not_double_what_is_behind_it() -> None:
    said = after("so it is find a way", "so it is find a way", "so it is you'll find a way out")
    assert shown(said) == "so it is find a way out"


def test_a_contradicted_word_is_left_whole() -> None:
    hypothesis = after(
        "I saw the cat.  ", "I saw the cat on", "I saw the cat on", "I saw the cars on the road"
    )

    assert shown(hypothesis) == "I saw the cat on the road"


def test_a_shorter_hypothesis_takes_nothing_back() -> None:
    assert after("今日はいい天気", "今日はいい天気", "今日は") == Hypothesis(
        "今日はいい天気", "", 2
    )


def test_a_space_that_a_hypothesis_lost_is_put_back() -> None:
    hypothesis = after("one two now", "one two now", "eins three")

    assert " ".join(shown(hypothesis).split()) == shown(hypothesis)


def test_combining_marks_stay_with_their_letter() -> None:
    assert after("cafe\u0301 noir", "cafe noir").stable == ""
    assert after("か\u3099き", "か\u3099く").stable == "が"
    assert after("か", "か\u3099").stable == ""


def test_an_empty_hypothesis_takes_back_only_what_was_tentative() -> None:
    assert after("今日はいい", "今日は天気", "") == Hypothesis("今日は", "", 3)


@pytest.mark.parametrize(
    ("left", "right", "joined"),
    [
        ("one", "two", "one two"),
        ("one", " two", "one two"),
        ("今日", "は", "今日は"),
        ("今日", "OK", "今日OK"),
        ("", "two", "two"),
        ("one", "", "one"),
        ("one.", "two", "one.two"),
    ],
)
def test_join(left: str, right: str, joined: str) -> None:
    assert join(left, right) == joined


def test_fold_keeps_what_carries_meaning() -> None:
    assert fold("カード、「ＯＫ」 100％!") == "カードok100%"


WORDS = st.sampled_from(
    ["今日", "は", "、", "。", " ", "天気", "Hello", "hell", "OK", "3.5", "が", "ー", "don't"]
)
TEXTS = st.lists(WORDS, max_size=12).map("".join)


@given(st.lists(TEXTS | st.text(max_size=20), max_size=8))
def test_stable_only_ever_grows_at_its_end(texts: list[str]) -> None:
    agreement = Agreement()
    before = agreement.hypothesis
    for number, text in enumerate(texts):
        now = agreement.update(sure(text), number * DOUBTED)
        assert now.stable.startswith(before.stable)
        assert now.revision >= before.revision
        assert (now.revision == before.revision) == (now == before)
        before = now


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_stable_never_ends_inside_a_spaced_word(texts: list[str]) -> None:
    agreement = Agreement()
    for number, text in enumerate(texts):
        now = agreement.update(sure(text), number * DOUBTED)
        if now.stable and now.tentative:
            assert not (is_spaced(now.stable[-1]) and is_spaced(now.tentative[0]))


@given(TEXTS, st.integers(0, 12))
def test_hypotheses_that_only_grow_are_shown_as_they_are(text: str, steps: int) -> None:
    agreement = Agreement()
    for step in range(steps + 1):
        growing = text[: len(text) * step // max(steps, 1)]
        agreement.update(sure(growing), step * STEADY)
    agreement.update(sure(text), (steps + 1) * STEADY)

    assert fold(shown(agreement.update(sure(text), (steps + 2) * STEADY))) == fold(text)


def test_hypotheses_close_together_have_to_agree_for_longer() -> None:
    agreement = Agreement()
    agreement.update(sure("今日は"), 0)
    assert agreement.update(sure("今日はい"), STEADY // 2).stable == ""
    assert agreement.update(sure("今日はいい"), STEADY).stable == "今日は"


def test_one_that_disagrees_in_between_counts() -> None:
    agreement = Agreement()
    agreement.update(sure("今日は"), 0)
    agreement.update(sure("昨日は"), STEADY // 2)
    assert agreement.update(sure("今日はいい"), STEADY).stable == ""


def test_a_word_that_keeps_changing_does_not_hold_up_the_rest_for_ever() -> None:
    agreement = Agreement()
    for step in range(2 * OLD // STEADY):
        word = ("品質", "品しつ")[step % 2]
        agreement.update(sure(f"この{word}を調べるための道具"[: 4 + 2 * step]), step * STEADY)
    assert agreement.hypothesis.stable.startswith("この品")


def test_the_clean_decode_settles_everything_and_takes_nothing_back() -> None:
    agreement = Agreement()
    agreement.update(sure("今日はいい天"), 0)
    agreement.update(sure("今日はいい天気"), STEADY)

    assert agreement.settled("昨日はいい天気です。") == "今日はいい天気です。"
    assert agreement.settled("今日はいい天気です。") == "今日はいい天気です。"
