"""What was heard of a reply, in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiwa.domain.events import ReplyClause
from kaiwa.policy.heard import heard_text, joined


def clauses(*texts: str, ms: int = 1_000, gap: int = 0) -> list[ReplyClause]:
    found: list[ReplyClause] = []
    end = 0
    for index, text in enumerate(texts):
        start = end + (gap if index else 0)
        end = start + len(text)
        found.append(
            ReplyClause(reply_id="r", index=index, text=text, start=start, end=end, duration_ms=ms)
        )
    return found


def test_clauses_are_joined_as_they_stood_in_the_text() -> None:
    assert joined(clauses("はい、", "そうです。")) == "はい、そうです。"
    assert joined(clauses("Yes,", "I do.", gap=1)) == "Yes, I do."
    assert joined([]) == ""


REPLY = clauses("はい、元気です。", "散歩、しましょう。")


@pytest.mark.parametrize(
    ("clause", "ms", "text"),
    [
        (0, 0, ""),
        (0, 200, ""),
        (0, 375, "はい、"),
        (0, 999, "はい、"),
        (0, 1_000, "はい、元気です。"),
        (0, 60_000, "はい、元気です。"),
        (1, 0, "はい、元気です。"),
        (1, 100, "はい、元気です。"),
        (1, 400, "はい、元気です。散歩、"),
        (1, 1_000, "はい、元気です。散歩、しましょう。"),
        (2, 0, "はい、元気です。散歩、しましょう。"),
        (9, 5, "はい、元気です。散歩、しましょう。"),
    ],
)
def test_a_place_is_words_up_to_the_end_of_a_phrase(clause: int, ms: int, text: str) -> None:
    assert heard_text(REPLY, clause, ms) == text


def test_a_number_is_not_heard_by_half() -> None:
    (clause,) = clauses("はい、1,200円です。")
    assert heard_text([clause], 0, 500) == "はい、"


def test_a_clause_that_the_browser_spoke_has_no_length_and_counts_whole() -> None:
    assert heard_text(clauses("はい。", "いいえ。", ms=0), 1, 1) == "はい。いいえ。"
    assert heard_text(clauses("はい。", "いいえ。", ms=0), 1, 0) == "はい。"


def test_english_keeps_its_spaces() -> None:
    reply = clauses("Yes, I do.", "Let us go home.", gap=1)
    assert heard_text(reply, 1, 0) == "Yes, I do."
    assert heard_text(reply, 1, 500) == "Yes, I do. Let us "


def test_nothing_was_heard_of_no_clauses() -> None:
    assert heard_text([], 3, 500) == ""


@given(
    st.lists(st.text("あい、。 ", min_size=1, max_size=9), min_size=1, max_size=4),
    st.integers(0, 5),
    st.lists(st.integers(0, 2_000), min_size=2, max_size=2).map(sorted),
)
def test_more_time_is_never_less_text(texts: list[str], clause: int, times: list[int]) -> None:
    reply = clauses(*texts)
    earlier, later = (heard_text(reply, clause, ms) for ms in times)
    assert later.startswith(earlier) and joined(reply).startswith(later)
