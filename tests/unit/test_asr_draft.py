"""Which tokens of a hypothesis need not be looked at again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiwa.adapters.asr_whisper.engine import NO_DRAFT, Draft

TEXTS = st.lists(st.lists(st.integers(0, 2), max_size=6).map(tuple), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("said", "sure"),
    [
        ([(1, 2, 3)], 0),
        ([(1, 2, 3), (1, 2, 3, 4)], 0),
        ([(1, 2, 3), (1, 2, 3, 4), (1, 2, 3, 5)], 3),
        ([(1, 2, 3), (1, 9, 3), (1, 2, 3)], 1),
        ([(1, 2), (1, 2), (), (1, 2)], 0),
    ],
)
def test_what_three_in_a_row_began_with_is_sure(said: list[tuple[int, ...]], sure: int) -> None:
    assert draft_of(said).sure == sure


@given(TEXTS)
def test_the_last_three_say_what_is_sure(said: list[tuple[int, ...]]) -> None:
    draft = draft_of(said)
    assert draft.tokens == said[-1]
    if draft.sure:
        assert {text[: draft.sure] for text in said[-3:]} == {said[-1][: draft.sure]}
        assert len(said) >= 3


def draft_of(said: list[tuple[int, ...]]) -> Draft:
    draft = NO_DRAFT
    for tokens in said:
        draft = draft.followed_by(tokens)
    return draft
