"""The sums of the recognition bench: what is aligned, what counts, what is late."""

from __future__ import annotations

import math

import pytest
from bench.alignment import (
    Step,
    Timed,
    Wait,
    align,
    distance,
    emissions,
    lags,
    letters,
    spread,
    units,
    voiced_runs,
    waits,
    words,
)


def timed(text: str, *at: float) -> list[Timed]:
    return [Timed(character, each) for character, each in zip(text, at, strict=True)]


def test_letters_are_what_is_left_without_width_case_punctuation_and_spaces() -> None:
    assert letters("Ｗｈｉｓｐｅｒ は、ｶﾞ 々ー。") == "whisperはガ々ー"


def test_words_are_parted_by_spaces_and_hyphens_and_keep_what_an_apostrophe_joins() -> None:
    assert words("You'll see: Side-by-side, 3 TIMES!") == [
        *("youll", "see", "side", "by", "side"),
        *("3", "times"),
    ]


def test_japanese_counts_characters_and_english_words() -> None:
    assert len(units("今日は、いい天気。", "ja")) == 7
    assert len(units("It's a fine day.", "en")) == 4


@pytest.mark.parametrize(
    ("gold", "said", "errors"),
    [("", "", 0), ("abc", "", 3), ("", "abc", 3), ("abc", "abc", 0), ("kitten", "sitting", 3)],
)
def test_distance_counts_substitutions_insertions_and_deletions(
    gold: str, said: str, errors: int
) -> None:
    assert distance(gold, said) == errors


def test_copies_and_substitutions_are_aligned() -> None:
    assert align("abcd", "axcde") == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert align("abc", "") == align("", "abc") == []


def test_of_two_equal_alignments_the_one_with_the_longest_stretches_is_taken() -> None:
    # Copying the first a would cost the same and leave it alone in front of "xa".
    assert align("abc", "axabc") == [(0, 2), (1, 3), (2, 4)]


def test_the_lag_of_a_character_is_from_its_speaking_to_its_showing() -> None:
    spoken = timed("abc", 1.0, 2.0, 3.0)

    assert lags(spoken, timed("axc", 1.5, 3.0, 3.25)) == [0.5, 1.0, 0.25]
    assert lags(spoken, timed("ab", 0.9, 2.5)) == [0.0, 0.5]


def test_a_character_is_emitted_when_it_was_first_shown_and_stayed() -> None:
    steps = [
        Step(1.0, "u", "今日", "が"),
        Step(2.0, "u", "今日は。"),
        Step(3.0, "u", "今日は、いい", final=True),
    ]

    emitted, taken_back = emissions(steps)

    assert emitted == timed("今日はいい", 1.0, 1.0, 2.0, 3.0, 3.0)
    assert taken_back == 0


def test_what_replaces_stable_text_is_emitted_when_it_replaces_it() -> None:
    steps = [Step(1.0, "u", "京都は"), Step(2.0, "u", "今日は"), Step(3.0, "u", "京都は")]

    emitted, taken_back = emissions(steps)

    assert emitted == timed("京都は", 3.0, 3.0, 1.0)
    assert taken_back == 4


def test_a_withdrawn_utterance_was_never_emitted() -> None:
    steps = [Step(1.0, "u", "はい"), Step(2.0, "u", ""), Step(3.0, "v", "ええ")]

    assert emissions(steps) == (timed("ええ", 3.0, 3.0), 2)


def test_percentiles_are_interpolated() -> None:
    assert spread([4.0, 1.0, 2.0, 3.0, 0.0]) == spread([0.0, 1.0, 2.0, 3.0, 4.0])
    assert (spread(range(101)).mean, spread(range(101)).p50, spread(range(101)).p95) == (50, 50, 95)
    assert math.isnan(spread([]).p95)


def test_a_short_silence_is_inside_a_run() -> None:
    voiced = [False, True, False, True, False, False, True]

    assert voiced_runs(voiced, 0.5, 0.75) == [(0.5, 2.0), (3.0, 3.5)]


def test_waits_are_counted_from_the_first_and_the_last_voice_of_an_utterance() -> None:
    runs = [(1.0, 1.5), (1.75, 3.0), (5.0, 6.0)]
    steps = [
        Step(1.5, "u", "", "は", begin=0.75),
        Step(2.0, "u", "は", begin=0.75),
        Step(3.5, "u", "はい", final=True, begin=0.75, end=3.05),
        Step(7.0, "v", "ええ", final=True, begin=4.75, end=5.95),
    ]

    ends = [(3.0, 3.25), (6.0, 6.5)]

    assert waits(steps, runs, ends) == [Wait(0.5, 0.5, 0.25), Wait(2.0, 1.0, 0.5)]
