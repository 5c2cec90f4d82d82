"""Texts that sound alike: what recognition makes of the same words twice is rarely the same."""

from __future__ import annotations

import unicodedata

_KATAKANA = range(0x30A1, 0x30F7)
_TO_HIRAGANA = 0x60
_LATIN_UNIT = 0.4
_ASCII = 128


def folded(text: str) -> str:
    """Lower case, hiragana for katakana, without marks, spaces and drawn-out vowels."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    kana = (chr(ord(c) - _TO_HIRAGANA) if ord(c) in _KATAKANA else c for c in plain)
    return "".join(c for c in kana if c.isalnum() and c != "ー")


def units(said: str) -> float:
    """How much was said: a Japanese character is one unit, a letter of an alphabet four tenths."""
    return sum(_LATIN_UNIT if ord(char) < _ASCII else 1.0 for char in said)


def distance(one: str, other: str) -> int:
    """How many characters must change, come or go (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def distance_within(part: str, whole: str) -> int:
    """The same to the stretch of `whole` that is most like `part` (Sellers)."""
    row = [0] * (len(whole) + 1)
    for i, a in enumerate(part, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(whole, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return min(row)
