"""What a search compares: text without the differences that nobody means, and how it sounds.

By sound as in Groonga (`use_reading`, `unify_kana…`) and Lucene's reading forms: what is read is
kept beside the text, and the tolerance is the query's.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

_KATAKANA: Final = {code: code - 0x60 for code in [*range(0x30A1, 0x30F7), 0x30FD, 0x30FE]}
_ONE_SOUND: Final = str.maketrans("ぁぃぅぇぉゎゕゖぢづ", "あいうえおわかけじず")
"""っ, ゃ, ゅ and ょ stay: びょういん is not びよういん."""
_V: Final = {"ゔぁ": "ば", "ゔぃ": "び", "ゔぇ": "べ", "ゔぉ": "ぼ", "ゔゅ": "びゅ", "ゔ": "ぶ"}
_LONG: Final = {
    kana: long
    for long, row in {
        "あー": "あかさたなはまやらわがざだばぱゃ",
        "いー": "いきしちにひみりぎじびぴ",
        "うー": "うくすつぬふむゆるぐずぶぷゅ",
        "えいー": "えけせてねへめれげぜでべぺ",
        "おうー": "おこそとのほもよろをごぞどぼぽょ",
    }.items()
    for kana in row
}
"""How a kana is drawn out in writing: とう, とお and とー are one sound, so are けい and けー."""
_H: Final = "[々〆\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
_HAN: Final = re.compile(_H)
_KANA: Final = re.compile("[ぁ-ゖ]")
_OKURIGANA: Final = "きしちみりぎじびえけせてめれげぜべ"
"""What is written behind a character, or left out, where a verb is a part of a word; without what
may be a particle (に, で, へ), and い: 高い山 is not 高山."""
_BETWEEN: Final = f"[{_OKURIGANA}っ]?"
_GAP: Final = re.compile(f"(?<={_H}){_BETWEEN}(?={_H})")
_BEHIND: Final = re.compile(f"({_H}{_BETWEEN}{_H})[わもが]?[い{_OKURIGANA}]$")
_LAST_LONG: Final = re.compile("(?<=[ぁ-んー]{3})ー$")  # コンピューター, コンピュータ; but not キー


def folded(text: str) -> str:
    """Full and half width, upper and lower case, katakana and hiragana as one; white space as
    single spaces."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(plain.translate(_KATAKANA).split())


def wanted_pieces(query: str) -> list[str]:
    """What an index of all characters and pairs of characters is asked for, to find a folded
    query: its pairs say it all, but for words of one character."""
    found: set[str] = set()
    for word in query.split():
        found |= {a + b for a, b in pairwise(word)} or {word}
    return sorted(found)


def sounded(text: str) -> str:
    """Folded, and kana that sound the same as one: small vowels, ぢ and じ, ヴァ and バ."""
    plain = folded(text)
    for written, said in _V.items():
        plain = plain.replace(written, said)
    return plain.translate(_ONE_SOUND)


def has_han(text: str) -> bool:
    """Whether there is a character in it that is read one way or another."""
    return _HAN.search(text) is not None


@dataclass(frozen=True, slots=True)
class AsWritten:
    """What finds a query in `folded` text."""

    pieces: list[str]
    """That are in it, of all its characters and pairs of characters."""
    pattern: str
    """A regular expression."""


def as_written(query: str) -> AsWritten:
    """Kana that may be left out between characters, or behind two of them, make no difference:
    引越し, 引っ越し and 引越."""
    parts = _GAP.split(_BEHIND.sub(r"\1", folded(query)))
    return AsWritten(
        pieces=sorted({piece for part in parts for piece in wanted_pieces(part)}),
        pattern=_BETWEEN.join(map(re.escape, parts)),
    )


@dataclass(frozen=True, slots=True)
class BySound:
    """What finds a query in `sounded` text."""

    pieces: str
    """A tsquery over all characters and pairs of characters."""
    pattern: str
    """A regular expression."""


def by_sound(query: str) -> BySound | None:
    """None for a query that is not in kana: it is to be found as it is written."""
    plain = _LAST_LONG.sub("", sounded(query))
    if has_han(plain) or not _KANA.search(plain):
        return None
    signs: list[str] = []  # each: all signs that are as good
    drawn_out = ""
    for sign in plain:
        signs.append(drawn_out if sign in drawn_out else sign)
        drawn_out = _LONG.get(sign, drawn_out if sign == "ー" else "")
    return BySound(
        pieces=" & ".join(_any_of(pieces) for pieces in _pieces(signs)),
        pattern="".join(re.escape(each) if len(each) == 1 else f"[{each}]" for each in signs),
    )


def _pieces(signs: list[str]) -> list[list[str]]:
    """As `wanted_pieces`, each with those that are as good."""
    found: list[list[str]] = []
    for blank, group in groupby(signs, " ".__eq__):
        word = list(group)
        if not blank:
            pairs = [[a + b for a in one for b in other] for one, other in pairwise(word)]
            found += pairs or [list(word[0])]
    return found


def _any_of(pieces: list[str]) -> str:
    quoted = (piece.replace("\\", "\\\\").replace("'", "''") for piece in pieces)
    return "(" + " | ".join(f"'{piece}'" for piece in quoted) + ")"
