"""Timed text as SubRip and WebVTT."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final
from unicodedata import east_asian_width

from kaiwa.domain.speech import Word

LONGEST_MS: Final = 7_000
WIDEST: Final = 84
VTT_HEAD: Final = "WEBVTT\n\n"
_HIRAGANA: Final = re.compile("[ぁ-ゖ]")
_INSIDE: Final = re.compile("[ァ-ヺー]{2}|[一-鿿]{2}|[A-Za-z0-9]{2}")  # a word in several pieces


@dataclass(frozen=True, slots=True)
class Cue:
    """What is said from `start_ms` to `end_ms`; `name` empty: nobody in particular."""

    start_ms: int
    end_ms: int
    text: str
    name: str = ""


def split(cue: Cue, words: Sequence[Word]) -> list[Cue]:
    """The cue in pieces that can be read at once, cut between its words (timed as it is).

    A piece has at most LONGEST_MS and WIDEST columns (two lines on a screen; a Japanese character
    takes two). One that has more is cut near its middle, where a sentence or a clause ends if one
    ends there.
    """
    pieces = _pieces(words)
    if len(pieces) < 2:
        return [cue]
    return [
        Cue(piece[0].start_ms, piece[-1].end_ms, "".join(w.text for w in piece).strip(), cue.name)
        for piece in pieces
    ]


def _pieces(words: Sequence[Word]) -> list[Sequence[Word]]:
    if len(words) < 2:
        return [words]
    width = _columns("".join(word.text for word in words).strip())
    if width <= WIDEST and words[-1].end_ms - words[0].start_ms <= LONGEST_MS:
        return [words]
    widths = list(accumulate(_columns(word.text) for word in words))
    cut = min(
        range(1, len(words)),
        key=lambda n: (
            abs(2 * widths[n - 1] / max(widths[-1], 1) - 1) + _roughness(words[n - 1], words[n])
        ),
    )
    return [*_pieces(words[:cut]), *_pieces(words[cut:])]


def _roughness(before: Word, after: Word) -> float:
    """How bad a cut here is, in halves of the whole that it may be off the middle."""
    end = before.text.rstrip()
    if end.endswith(tuple(".!?。！？")):
        return 0.0
    if end.endswith(tuple(",;:、")):
        return 0.1
    if _INSIDE.fullmatch(end[-1:] + after.text[:1]):
        return 1.4
    return 0.9 if _HIRAGANA.match(after.text) else 0.6  # a particle, or the end of a verb


def _columns(text: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def srt(cues: Iterable[Cue], first: int = 1) -> str:
    """SubRip, numbered from `first`; a name stands before its text."""
    return "".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        f"{f'{_unbroken(cue.name)}: ' if cue.name else ''}{_unbroken(cue.text)}\n\n"
        for number, cue in enumerate(cues, start=first)
    )


def vtt(cues: Iterable[Cue]) -> str:
    """WebVTT; a name is a voice span."""
    return VTT_HEAD + vtt_cues(cues)


def vtt_cues(cues: Iterable[Cue]) -> str:
    """What follows VTT_HEAD."""
    return "".join(
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n"
        f"{f'<v {_escaped(cue.name)}>' if cue.name else ''}{_escaped(cue.text)}\n\n"
        for cue in cues
    )


def _unbroken(text: str) -> str:
    """In one line: an empty one would end the cue."""
    return " ".join(text.split())


def _escaped(text: str) -> str:
    return _unbroken(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"
