"""What a search compares: text without the differences that nobody means."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from typing import Final

_KATAKANA: Final = {code: code - 0x60 for code in [*range(0x30A1, 0x30F7), 0x30FD, 0x30FE]}


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
