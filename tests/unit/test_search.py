"""What a search compares."""

from __future__ import annotations

import re

import pytest

from kaiwa.policy.search import as_written, by_sound, folded, sounded, wanted_pieces


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
        ("引越し", "引っ越しをした"),
        ("引っ越し", "引越の日"),
        ("打合せ", "打ち合わせ"),
        ("見積もり", "見積書"),
        ("入口", "入り口"),
        ("振込先", "振り込み先"),
        ("明日の打ち合わせ", "明日の打合せ"),
        ("A.(引越)", "a.(引っ越)"),
    ],
)
def test_kana_that_may_be_left_out_are_no_difference(query: str, text: str) -> None:
    wanted = as_written(query)
    assert re.search(wanted.pattern, folded(text))
    there = folded(text)
    assert all(piece in there for piece in wanted.pieces)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        *(("雨日", "雨の日"), ("家電", "家で電話"), ("人気", "人に気"), ("高山", "高い山")),
        *(("大学", "大きい学校"), ("食べ", "食"), ("新しい", "新し"), ("天気です", "天気")),
        *(("一緒に", "一緒"), ("勉強した", "勉強"), ("引. 越", "引っ 越")),
    ],
)
def test_other_kana_are(query: str, text: str) -> None:
    assert not re.search(as_written(query).pattern, folded(text))


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
