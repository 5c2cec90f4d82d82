"""What a search compares."""

from __future__ import annotations

import pytest

from kaiwa.policy.search import folded, wanted_pieces


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ｶﾒﾗ", "かめら"),
        ("コーヒー", "こーひー"),
        ("ＡＢＣ　１２３", "abc 123"),
        ("ヴァイオリン", "ゔぁいおりん"),
        ("STRASSE", "straße"),
        ("㈱", "(株)"),
        (" a \n b ", "a b"),
    ],
)
def test_what_nobody_means_makes_no_difference(one: str, other: str) -> None:
    assert folded(one) == folded(other)


def test_a_query_asks_for_its_pairs_within_words() -> None:
    assert wanted_pieces("a") == ["a"]
    assert set(wanted_pieces("天気は a")) == {"天気", "気は", "a"}
