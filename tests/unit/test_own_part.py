"""The agent says its own part, whatever the model writes for the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiwa.policy.own_part import OwnPart

PEOPLE = ("ケン", "Mari")


def said(*pieces: str, people: tuple[str, ...] = PEOPLE, begun: bool = False) -> str:
    part = OwnPart("AI", people, begun=begun)
    return "".join(map(part.feed, pieces)) + part.flush()


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("そうですね。", "そうですね。"),
        ("AI: そうですね。", " そうですね。"),
        ("AI： そうですね。\nAI: はい。", " そうですね。\n はい。"),
        ("ケン: そうですね。", " そうですね。"),
        ("そうですね。\nケン: 僕も。\nAI: はい。", "そうですね。\n"),
        ("そうですね。\n\n  Mari：私も。", "そうですね。\n\n  "),
        ("そうですね。\nケンさんは？", "そうですね。\nケンさんは？"),
        ("そうですね。ケン: と書きます。", "そうですね。ケン: と書きます。"),
        ("ケ", "ケ"),
        ("材料: 卵", "材料: 卵"),
    ],
)
def test_its_own_part_is_said(written: str, spoken: str) -> None:
    assert said(written) == spoken


def test_who_goes_on_with_a_line_has_said_something() -> None:
    assert said("ケン: 僕も。", begun=True) == "ケン: 僕も。"
    assert said("そうです。\nケン: 僕も。", begun=True) == "そうです。\n"


def test_alone_with_one_person_everything_is_said() -> None:
    assert said("AI: はい。\nケン: 僕も。", people=()) == "AI: はい。\nケン: 僕も。"


@given(st.text(st.sampled_from("ケンAIMari:： \nあ"), max_size=20), st.integers(0, 20))
def test_the_pieces_do_not_matter(written: str, cut: int) -> None:
    assert said(written[:cut], written[cut:]) == said(written) == said(*written)
