"""Latin words in Japanese text, in the kana they are said with.

OpenJTalk knows a few thousand of them (Google, Wi-Fi, Tシャツ) and spells out the rest, letter by
letter: right for API, wrong for hello. What it would spell, e2k reads.
"""

from __future__ import annotations

import re
import string
from functools import cache, lru_cache

import pyopenjtalk
from e2k import C2K

_NAMES = (
    *("エー", "ビー", "シー", "ディー", "イー", "エフ", "ジー", "エイチ", "アイ", "ジェー", "ケー"),
    *("エル", "エム", "エヌ", "オー", "ピー", "キュー", "アール", "エス", "ティー", "ユー", "ブイ"),
    *("ダブリュー", "エックス", "ワイ", "ゼット"),
)
_LETTERS = dict(zip(string.ascii_uppercase, _NAMES, strict=True))
_SAID = {
    "chatgpt": "チャットジーピーティー",
    "gmail": "ジーメール",
    "github": "ギットハブ",
    "hi": "ハイ",
    "hello": "ハロー",
    "iot": "アイオーティー",
    "kubernetes": "クバネティス",
    "mr": "ミスター",
    "mozart": "モーツァルト",
    "ms": "ミズ",
    "mysql": "マイエスキューエル",
    "nginx": "エンジンエックス",
    "php": "ピーエイチピー",
    "python": "パイソン",
    "ruby": "ルビー",
    "tiktok": "ティックトック",
    "vs": "バーサス",
    "windows": "ウィンドウズ",
}
"""Common words that neither reads right."""

_ORDINALS = {"1st": "ファースト", "2nd": "セカンド", "3rd": "サード"}
# OpenJTalk knows 5km, CO2, 3D, No.1 and C++, but not the B of B1.
_WORD = re.compile(
    r"(?<![A-Za-z\d])[A-Za-z]{2,}(?:[-'’][A-Za-z]+)*(?![A-Za-z\d]|\.\d)|[A-Za-z]-[A-Za-z]+"
)
_LETTER = re.compile(r"(?<![A-Za-z\d/])[A-Za-z](?![A-Za-z+])|(?<=[A-Z]/)[A-Z](?![A-Za-z])")
_MIXED = re.compile(
    r"(?<![A-Za-z\d.])(?=[A-Z]*\d)(?=\d*[A-Z])[A-Z\d]+(?![A-Za-z\d/.])"
    r"|(?<!\d)(?:1st|2nd|3rd)(?![A-Za-z])"
)
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[A-Z]")
_KANA = re.compile(r"[ァ-ヺー]+")
_VOWEL = re.compile(r"[aeiouy]", re.IGNORECASE)
_REMEMBERED = 4_096


def with_kana(text: str) -> str:
    """The text with those Latin words in katakana that OpenJTalk cannot read as words."""
    text = _MIXED.sub(lambda match: _mixed(match[0]), text)
    text = _WORD.sub(lambda match: _word(match[0]), text)
    return _LETTER.sub(lambda match: _LETTERS[match[0].upper()], text)


@lru_cache(_REMEMBERED)
def _word(word: str) -> str:
    known = _SAID.get(word.lower()) or _known(word)
    if known:
        return known
    parts = _PARTS.findall(word)
    return "".join(map(_part, parts)) if len(parts) > 1 else _part(word)


@lru_cache(_REMEMBERED)
def _part(part: str) -> str:
    known = _SAID.get(part.lower()) or _known(part)
    if known:
        return known
    if part.isupper() or len(part) == 1 or not _VOWEL.search(part):
        return _spelled(part)
    return str(_katakana()(part.lower()))


@lru_cache(_REMEMBERED)
def _mixed(letters_and_digits: str) -> str:
    """3D and CO2 as they are; of 6E and B2B OpenJTalk leaves out a letter."""
    if letters_and_digits in _ORDINALS:
        return _ORDINALS[letters_and_digits]
    said = str(pyopenjtalk.g2p(letters_and_digits, kana=True))
    if _KANA.fullmatch(said):
        return letters_and_digits
    return "".join(_LETTERS.get(char, char) for char in letters_and_digits)


def _known(word: str) -> str | None:
    """How OpenJTalk reads it as a word; None if it cannot."""
    said = str(pyopenjtalk.g2p(word, kana=True))
    return said if _KANA.fullmatch(said) and said != _spelled(word) else None


def _spelled(word: str) -> str:
    return "".join(_LETTERS[letter.upper()] for letter in word if letter.upper() in _LETTERS)


@cache
def _katakana() -> C2K:
    return C2K()
