"""Where a reply is cut so that it can be spoken while it is still being written.

One pass, character by character, looking at most one character ahead: what is cut does not depend
on the pieces the text came in. The first clause is cut early, because somebody is waiting for a
sound; later ones are longer, because a voice reads a whole sentence better.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

# Lengths are counted in units: a Japanese character is one, a letter of an alphabet half of one.
FIRST_PHRASE = 2.5  # 「はい、」 and "Sure," are worth speaking alone, 「え、」 is not
FIRST_PARTICLE = 5  # 「日本の首都は」, where speakers who think pause though nothing is written
SECOND_PHRASE = 8  # it has to be made while a short first clause plays
FIRST_SENTENCE = 2  # 「はい。」
LATER_PHRASE = 20  # about three seconds of speech: enough to make the next clause meanwhile
LATER_SENTENCE = 4  # a shorter sentence joins the next one
LONGEST = 120  # a clause that finds no end (an unclosed bracket, no full stops) is cut from here on

_PHRASES = (FIRST_PHRASE, SECOND_PHRASE, LATER_PHRASE)
_SENTENCES = (FIRST_SENTENCE, LATER_SENTENCE)

_FENCE = 3  # backticks that open a block of code
_WIDE_FROM = 0x2E80  # CJK radicals: from here on one character is about one syllable

_CLOSERS = {
    "「": "」",
    "『": "』",
    "（": "）",
    "【": "】",
    "《": "》",
    "〈": "〉",
    "［": "］",
    "“": "”",
    "(": ")",
    "[": "]",
}
_ENDS = frozenset("。！？．.!?｡")
_RUNS = frozenset("！？!?。.…")  # 「えっ！？」, "Really?!", "..."
_PAUSES = frozenset("、，､,;；:：")
_NUMERALS = frozenset("0123456789０１２３４５６７８９一二三四五六七八九十百千万")
_ABBREVIATIONS = frozenset(
    {
        *("mr", "mrs", "ms", "dr", "prof", "jr", "sr", "st", "vs", "cf", "e.g", "i.e", "approx"),
        *("dept", "fig", "ft", "inc", "ltd", "pp", "vol", "a.m", "p.m", "ph.d", "u.s", "u.k"),
    }
)
_LAST_WORD = re.compile(r"[A-Za-z.]*[A-Za-z]\Z")
_PARTICLES = frozenset("はがをにでて")
_NO_PARTICLE = frozenset(
    {"たは", "に関", "に対", "に基", "て方", "て物"}
)  # または, に関する, 育て方
_BEGINS_A_WORD = re.compile(r"[一-鿿ァ-ヺA-Za-z0-9「『]")
_INITIALS = re.compile(r"(?:[A-Z]\.)*[A-Z]")
_LIST_NUMBER = re.compile(r"(?:\A[\s#*>-]*|[。！？]\s*)\d+\Z")


@dataclass(frozen=True, slots=True)
class Clause:
    """A stretch of a reply to be spoken at once; `text` is the reply's `[start:end]`."""

    text: str
    start: int
    end: int


class _Break(Enum):
    """What may end a clause."""

    PARTICLE = auto()
    PHRASE = auto()
    SENTENCE = auto()


class ClauseSplitter:
    """Feed it a reply's text; it gives clauses as soon as they are known to be over.

    Clauses follow each other without overlap, only white space lies between them, and each holds
    something to say; marks alone join the next clause. Marks after the last clause (an emoji, the
    end of a bold stretch) are the one thing that belongs to none.
    """

    def __init__(self, begun: int = 0) -> None:
        """`begun`: characters of the reply that are cut already; a voice waits for what follows."""
        self._text = ""  # since the last cut
        self._start = begun  # where that is in the reply
        self._cuts = 0  # those behind a particle not counted
        self._hesitated = False  # there was one behind a particle
        self._pending: _Break | None = None  # the next character decides whether to cut before it
        self._units = 0.0
        self._says = False  # there is something to say since the last cut
        self._open: list[str] = []  # closers of the brackets we are in
        self._ticks = 0  # backticks seen in a row
        self._code = 0  # length of the run that opened the code we are in

    def feed(self, text: str) -> list[Clause]:
        """The clauses that this piece completes."""
        return [clause for char in text for clause in self._step(char)]

    def flush(self) -> list[Clause]:
        """The rest, at the end of the reply: one clause, or none if there is nothing to say."""
        return [self._cut()] if self._says else []

    def _step(self, char: str) -> list[Clause]:
        cuts = []
        pending, self._pending = self._pending, None
        if pending is not None and self._confirms(pending, char):
            cuts.append(self._cut())
            if pending is _Break.PARTICLE:
                self._cuts, self._hesitated = 0, True  # what follows has as little time
        if self._ticks and char != "`":
            self._end_of_ticks()
        if char == "\n" and self._code < _FENCE:
            if self._says:
                cuts.append(self._cut())
            self._open.clear()
            self._code = 0
        self._take(char)
        if self._is_inside() or not self._says:
            return cuts
        found, sure = self._break_after(char)
        if found is not None and self._is_long_enough(found):
            if sure:
                cuts.append(self._cut())
            else:
                self._pending = found
        return cuts

    def _take(self, char: str) -> None:
        """Add the character to the clause, and see what it opens or closes."""
        self._text += char
        self._says = self._says or char.isalnum()
        if not char.isspace():
            self._units += 1.0 if ord(char) >= _WIDE_FROM else 0.5
        if char == "`":
            self._ticks += 1
        if char == "`" or self._code:
            return
        if self._open and char == self._open[-1]:
            self._open.pop()
        elif char in _CLOSERS:
            self._open.append(_CLOSERS[char])
        elif char == '"':
            self._open.append('"')

    def _end_of_ticks(self) -> None:
        """A run of backticks is over: it opened code, closed it, or belongs to it."""
        if not self._code:
            self._code = self._ticks
        elif self._ticks == self._code:
            self._code = 0
        self._ticks = 0

    def _is_inside(self) -> bool:
        """Inside brackets (unless they never end), code, or a run of backticks."""
        return bool(self._code or self._ticks or (self._open and self._units < LONGEST))

    def _is_long_enough(self, found: _Break) -> bool:
        if found is _Break.PARTICLE:
            early = self._cuts == 0 and not self._hesitated
            return early and self._units >= FIRST_PARTICLE
        lengths = _SENTENCES if found is _Break.SENTENCE else _PHRASES
        return self._units >= lengths[min(self._cuts, len(lengths) - 1)]

    def _break_after(self, char: str) -> tuple[_Break | None, bool]:
        """What this character may end, and whether that is sure without seeing the next one."""
        before = self._text[-2:-1]
        if char in "。｡":
            return _Break.SENTENCE, True
        if char in _ENDS:
            return (None if self._is_abbreviation(char) else _Break.SENTENCE), False
        if char in "、､":
            return _Break.PHRASE, before not in _NUMERALS
        if char in _PAUSES:
            return _Break.PHRASE, False
        if char in _PARTICLES and before + char not in _NO_PARTICLE:
            return _Break.PARTICLE, False
        if char in '"”)' and before in ".!?":
            return _Break.SENTENCE, False
        if self._units >= LONGEST and (char.isspace() or ord(char) >= _WIDE_FROM):
            return _Break.PHRASE, char.isspace()
        return None, False

    def _confirms(self, pending: _Break, char: str) -> bool:
        """Whether the clause ends before this character."""
        last = self._text[-1]
        if pending is _Break.PARTICLE:
            return bool(_BEGINS_A_WORD.match(char)) and last + char not in _NO_PARTICLE
        if char in _RUNS and last in _RUNS:
            return False
        if last in "、､，．":
            return char not in _NUMERALS
        if last in "！？；：":
            return char not in _CLOSERS.values()
        if last in "!?":
            return char.isspace() or ord(char) >= _WIDE_FROM
        if ord(last) >= _WIDE_FROM:
            return char.isspace() or ord(char) >= _WIDE_FROM
        return char.isspace()

    def _is_abbreviation(self, char: str) -> bool:
        """Whether a full stop belongs to its word ("Dr.", "J.R.") or numbers a list ("1.")."""
        if char != ".":
            return False
        said = self._text[:-1]
        if _LIST_NUMBER.search(said):
            return True
        word = _LAST_WORD.search(said)
        if word is None:
            return False
        initials = _INITIALS.fullmatch(word[0]) and word[0] != "I"
        return bool(initials) or word[0].lower() in _ABBREVIATIONS

    def _cut(self) -> Clause:
        text = self._text.strip()
        start = self._start + len(self._text) - len(self._text.lstrip())
        self._start += len(self._text)
        self._text = ""
        self._units, self._says = 0.0, False
        self._cuts += 1
        return Clause(text, start, start + len(text))
