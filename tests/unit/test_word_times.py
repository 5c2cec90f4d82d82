"""Words keep their times when their text is mended."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kaiwa.domain.speech import Word
from kaiwa.policy.word_times import timed


def words(*texts: str) -> tuple[Word, ...]:
    return tuple(Word(text, 100 * n, 100 * n + 100, 0.9) for n, text in enumerate(texts))


def test_the_same_text_keeps_its_words() -> None:
    said = words("今日", "は", "晴れ")
    assert timed("今日は晴れ", said) == said


def test_what_stands_in_a_words_place_takes_its_time() -> None:
    assert timed("昨日は晴れ。", words("今日", "は", "晴れ")) == words("昨日", "は", "晴れ。")


def test_a_word_that_is_gone_is_gone() -> None:
    assert [word.text for word in timed("今日晴れ", words("今日", "は", "晴れ"))] == [
        "今日",
        "晴れ",
    ]


def test_without_times_there_are_none() -> None:
    assert timed("今日は", ()) == ()


@given(st.text(max_size=20), st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=6))
def test_joined_they_are_the_text_in_order(text: str, texts: list[str]) -> None:
    found = timed(text, words(*texts))
    assert "".join(word.text for word in found) == text
    assert [word.start_ms for word in found] == sorted(word.start_ms for word in found)
