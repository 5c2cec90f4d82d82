"""Which part of what the recogniser says will not change any more.

LocalAgreement (Liu et al., "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by
Partial Hypothesis Selection", 2020), measured in sound rather than in hypotheses, and weighed by
the decoder's own doubt: text is stable once every hypothesis of the last STEADY of sound begins
with it, however many those were, and of the last DOUBTED where one of them was not sure of a
character. Two in a row agree on much that is wrong, and most of that they doubt: over the same
recordings, waiting STEADY for everything was 17 errors worse than the final decode alone in 678
characters, and DOUBTED for everything 0.3 s later (docs/benchmarks.md). A word they cannot agree
on must not hold up the rest for ever, so what is older than OLD is stable as it is heard last.

Hypotheses agree on characters, compared with width, case, punctuation and
spacing folded away, because Whisper changes its mind about 、 and 。 at every step and Japanese has
no spaces; scripts that do have spaces agree on whole words, katakana on loanwords, and a word is
whole when the newer one has gone on behind it.

The law of this file: stable text only ever grows at its end, and stable + tentative never says
the same stretch of sound twice.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kaiwa.domain.audio import ms_to_samples
from kaiwa.domain.speech import Hypothesis, Partial

STEADY: Final = ms_to_samples(250)
DOUBTED: Final = ms_to_samples(500)
SURE: Final = 0.3
"""A character that is less probable than this is doubted."""
OLD: Final = ms_to_samples(2_000)
LOANWORD: Final = 6
"""Characters of katakana in a row that are stable together or not at all: half of a loanword is
often spelt otherwise once the rest is heard (マイクロ, Microsoft). A longer run is a compound, and
does not wait for its end."""

_MEANINGFUL_PUNCTUATION = frozenset("%&@#*/")
"""Punctuation to Unicode, but a word to whoever says it."""

_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3000, 0x30FF),  # Japanese marks, hiragana, katakana
    (0x31F0, 0x31FF),  # katakana extensions
    (0x3400, 0x9FFF),  # Chinese characters
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),  # half-width katakana
    (0x20000, 0x3FFFF),
)
"""Code points of scripts that put no spaces between words."""


def is_spaced(character: str) -> bool:
    """Whether this is a letter or a digit of a script that puts spaces between words."""
    point = ord(character)
    return character.isalnum() and not any(low <= point <= high for low, high in _UNSPACED)


def join(left: str, right: str) -> str:
    """Two stretches of text in a row, with a space where their script wants one."""
    if left and right and is_spaced(left[-1]) and is_spaced(right[0]):
        return f"{left} {right}"
    return left + right


def fold(text: str) -> str:
    """What two hypotheses must share to be the same: letters, marks, numbers and symbols in
    their compatibility form (NFKC), without case."""
    return "".join(_fold(character) for character in text)


def _fold(character: str) -> str:
    folded = unicodedata.normalize("NFKC", character).casefold()
    return "".join(
        part
        for part in folded
        if part in _MEANINGFUL_PUNCTUATION or unicodedata.category(part)[0] in "LMNS"
    )


@dataclass(frozen=True, slots=True)
class _Folded:
    """A text and its folded form; `ends[n]` is where, in the text, its first n folded characters
    end, and -1 where that is inside a character or a word. The first `sure` folded characters are
    not doubted; `confidence` is each character's, as far as it is known."""

    text: str
    key: str
    ends: Sequence[int]
    sure: int
    confidence: Sequence[float]

    def closed(self, count: int) -> bool:
        """Whether the first `count` folded characters end a word that more sound cannot
        lengthen."""
        if not self.whole(count):
            return False
        if count < len(self.key):
            return True
        end = self.ends[count]
        return not (is_spaced(self.text[end - 1]) or _in_loanword(self.text, end))

    def whole(self, count: int) -> bool:
        """Whether the first `count` folded characters end where this text's words do."""
        end = self.ends[count]
        if end < 0 or end == len(self.text):
            return end >= 0
        return not (_in_loanword(self.text, end) and _katakana(self.text, end + 1))

    def behind(self, key: str) -> _Folded:
        """What it says after the folded text that was shown already."""
        if not key:
            return self
        cut = _place(key, self.key)
        while self.ends[cut] < 0:  # the word that was shown last was heard differently
            cut += 1
        at = self.ends[cut]
        return _folded(self.text[at:], self.confidence[at:])


def _folded(text: str, confidence: Sequence[float] = ()) -> _Folded:
    key: list[str] = []
    ends = [0]
    sure = 0
    doubted = False
    before = -1  # the last character that counted
    for at, character in enumerate(text):
        folded = _fold(character)
        if not folded:
            continue
        if before >= 0 and _belongs(text, before, at):
            ends[-1] = -1
        doubted = doubted or at >= len(confidence) or confidence[at] < SURE
        sure += 0 if doubted else len(folded)
        key.append(folded)
        ends += [-1] * (len(folded) - 1) + [at + 1]
        before = at
    return _Folded(text, "".join(key), ends, sure, confidence)


def _belongs(text: str, before: int, at: int) -> bool:
    """Whether the character `at` continues the word or the character that `before` is in."""
    if unicodedata.combining(text[at]) or unicodedata.category(text[at])[0] == "M":
        return True
    if not (is_spaced(text[before]) and is_spaced(text[at])):
        return False
    return not any(between.isspace() for between in text[before + 1 : at])


def _in_loanword(text: str, end: int) -> bool:
    """Whether the katakana that ends there is few enough to be one word with what follows."""
    return 0 < _katakana(text, end) < LOANWORD


def _katakana(text: str, end: int) -> int:
    """How many characters of katakana in a row end there."""
    begin = end
    while begin and ("ァ" <= text[begin - 1] <= "ヺ" or text[begin - 1] in "ーヽヾ"):
        begin -= 1
    return end - begin


class Agreement:
    """The hypotheses about one segment, oldest first."""

    def __init__(self) -> None:
        self._stable = ""
        self._key = ""  # of the stable text
        self._tails: deque[tuple[int, _Folded]] = deque()  # (sound heard, text behind the stable)
        self._hypothesis = Hypothesis("", "", 0)

    @property
    def hypothesis(self) -> Hypothesis:
        return self._hypothesis

    def update(self, said: Partial, heard: int) -> Hypothesis:
        """Take a decode of the segment's first `heard` samples, more than the one before.

        The revision moves when the shown text does.
        """
        tail = _heard(said.text, said.confidence).behind(self._key)
        agreed = max(self._steady(tail, heard), self._old(tail, heard))
        self._tails.append((heard, tail))
        while len(self._tails) > 1 and self._tails[1][0] <= heard - OLD:
            self._tails.popleft()
        if agreed:
            end = tail.ends[agreed]
            self._stable = join(self._stable, tail.text[:end])
            key = tail.key[:agreed]
            self._key += key
            self._tails = deque((at, each.behind(key)) for at, each in self._tails)
            tail = self._tails[-1][1]
        tentative = join(self._stable, tail.text)[len(self._stable) :]
        shown = self._hypothesis
        if (shown.stable, shown.tentative) != (self._stable, tentative):
            self._hypothesis = Hypothesis(self._stable, tentative, shown.revision + 1)
        return self._hypothesis

    def _steady(self, tail: _Folded, heard: int) -> int:
        """How much of `tail` every hypothesis of the last STEADY of sound begins with, and of the
        last DOUBTED from where one of them was not sure."""
        sure = 0
        most, doubted = len(tail.key), tail.sure
        for at, before in reversed(self._tails):
            most = _agreed(before, tail, most)
            doubted = min(doubted, before.sure)
            if at <= heard - DOUBTED:
                return max(most, sure)
            if at <= heard - STEADY and not sure:
                sure = _agreed(before, tail, min(most, doubted))
        return sure

    def _old(self, tail: _Folded, heard: int) -> int:
        """How much of `tail` is another hearing of what was heard before the last OLD."""
        if not self._tails or self._tails[0][0] > heard - OLD:
            return 0
        place = _place(self._tails[0][1].key, tail.key)
        while place and not tail.closed(place):
            place -= 1
        return place

    def settled(self, text: str) -> str:
        """What the clean decode of all of it comes to: what it says behind the stable text."""
        return join(self._stable, _heard(text).behind(self._key).text)


def behind(shown: str, text: str) -> str:
    """What `text` says after what `shown` says, to be put behind `shown` as it is.

    `text` may have heard the beginning differently; that stays as it was shown.
    """
    return join(shown, _heard(text).behind(_folded(shown).key).text)[len(shown) :]


def _heard(text: str, confidence: Sequence[float] = ()) -> _Folded:
    normal = unicodedata.normalize("NFC", text)
    begin = len(normal) - len(normal.lstrip())
    known = confidence if len(normal) == len(text) else ()
    return _folded(normal.strip(), known[begin:])


def _agreed(older: _Folded, newer: _Folded, most: int) -> int:
    """How many folded characters both begin with, up to `most` and to where both may be cut."""
    agreed = 0
    for count, (a, b) in enumerate(zip(older.key[:most], newer.key, strict=False), start=1):
        if a != b:
            break
        if older.whole(count) and newer.closed(count):
            agreed = count
    return agreed


_EDIT: Final = 1_000  # more than there are characters in a segment


def _place(stable: str, heard: str) -> int:
    """How much of `heard` is another hearing of `stable`: the prefix with the least edit distance
    to it; among equals the one that has most of its characters (a word more in front is likelier
    than all other words), then the one nearest in length (Sellers 1980, anchored at the start)."""
    if heard.startswith(stable):
        return len(stable)
    same = next(
        (n for n, (a, b) in enumerate(zip(stable, heard, strict=False)) if a != b),
        min(len(stable), len(heard)),
    )
    rest = heard[same:]
    row = [at * _EDIT for at in range(len(rest) + 1)]
    for count, wanted in enumerate(stable[same:], start=1):
        diagonal, row[0] = row[0], count * (_EDIT + 1)
        for at, found in enumerate(rest, start=1):
            lost = diagonal if found == wanted else min(row[at], diagonal) + _EDIT + 1
            diagonal, row[at] = row[at], min(row[at - 1] + _EDIT, lost)
    missing = len(stable) - same
    return same + min(range(len(row)), key=lambda at: (row[at], abs(at - missing)))
