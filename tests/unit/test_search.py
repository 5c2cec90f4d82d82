"""What a search compares."""

from __future__ import annotations

import re

import pytest

from kaiwa.policy.search import by_sound, folded, sounded, wanted_pieces


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


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("とうきょう", "とーきょー"),
        ("ケータイ", "けいたい"),
        ("サーバー", "サーバ"),
        ("ねぇねぇ", "ねえねー"),
        ("はなじ", "ハナヂ"),
        ("ヴィーナス", "びいなす"),
    ],
)
def test_what_sounds_the_same_is_found(query: str, text: str) -> None:
    found = by_sound(query)
    assert found is not None
    assert re.search(found.pattern, sounded(text))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("びょういん", "びよういん"),
        ("いま", "てーま"),
        ("キー", "き"),
        ("まって", "まつて"),
        ("a.あ", "abあ"),
    ],
)
def test_what_sounds_otherwise_is_not(query: str, text: str) -> None:
    found = by_sound(query)
    assert found is not None
    assert not re.search(found.pattern, sounded(text))


@pytest.mark.parametrize("query", ["京都", "京とう", "meeting 42", " ", "ー", "々あ"])
def test_only_kana_are_looked_up_by_their_sound(query: str) -> None:
    assert by_sound(query) is None


def test_an_index_is_asked_for_every_way_to_write_a_sound() -> None:
    found = by_sound("とう あ")
    assert found is not None
    assert found.pieces == "('とお' | 'とう' | 'とー') & ('あ')"
