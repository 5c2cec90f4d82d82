"""What is written, as a voice should read it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiwa.policy.speakable import speakable


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("1,200円です。", "1200円です。"),
        ("１，２００円", "1200円"),
        ("¥1,200", "1200円"),
        ("$5です", "5ドルです"),
        ("25.5℃です。", "25.5度です。"),
        ("湿度は60％、風は3m。", "湿度は60パーセント、風は3メートル。"),
        ("10:05に来ます", "10時5分に来ます"),
        ("10時05分、9:00", "10時5分、9時"),
        ("3〜5人", "3から5人"),
        ("身長170cm、体重60kg", "身長170センチ、体重60キロ"),
        ("ｶﾞｷﾞｸﾞ", "ガギグ"),
        ("本当！？", "本当！？"),
        ("詳しくは https://www.example.com/a?b=1 を。", "詳しくは exampleドットcom を。"),
        ("**重要**な`コード`です", "重要なコードです"),
        ("いいですね😊✨。", "いいですね。"),
        ("## 見出し", "見出し"),
        ("1. りんご", "1、りんご"),
        ("・みかん", "・みかん"),
    ],
)
def test_japanese(written: str, spoken: str) -> None:
    assert speakable(written, "ja") == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It is 25.5℃ now.", "It is 25.5 degrees now."),
        ("1,200 people, 60%", "1200 people, 60 percent"),
        ("$5 & more", "5 dollars and more"),
        ("See [the docs](https://example.com/x) now.", "See the docs now."),
        ("See https://example.com/x.", "See example dot com."),
        ("* a *bold* _claim_", "a bold claim"),
        ("1. Apples", "1, Apples"),
        ("snake_case and 3*4", "snake_case and 3*4"),
        ("![a cat](cat.png)", "a cat"),
        ("one<br>two", "one two"),
        ("> quoted", "quoted"),
        ("1,2,3 go", "1,2,3 go"),
    ],
)
def test_english(written: str, spoken: str) -> None:
    assert speakable(written, "en") == spoken


def test_half_of_a_pair_is_no_word() -> None:
    assert speakable("**とても", "ja") == "とても"
    assert speakable("大事です**。", "ja") == "大事です。"


def test_code_is_not_read_out() -> None:
    assert speakable("```python\nprint(1)\n```", "en") == ""
    assert speakable("Look: ```\nprint(1)", "en") == "Look:"


@pytest.mark.parametrize("written", ["", "😊", "……", "---", "**", "→"])
def test_nothing_to_read(written: str) -> None:
    assert speakable(written, "ja") == ""


def test_other_languages_keep_their_signs() -> None:
    assert speakable("Il fait **25 %** ici", "fr") == "Il fait 25 % ici"


@given(st.text(max_size=60), st.sampled_from(["ja", "en", "fr"]))
def test_any_text_can_be_given(text: str, language: str) -> None:
    spoken = speakable(text, language)
    assert spoken == spoken.strip()
    assert not spoken or any(char.isalnum() for char in spoken)
