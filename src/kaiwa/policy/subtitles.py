"""Timed text as SubRip and WebVTT."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from unicodedata import east_asian_width

from kaiwa.domain.speech import Word

LONGEST_MS: Final = 7_000
WIDEST: Final = 84


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
    takes two), and ends with a sentence or a clause where one ends in its second half.
    """
    pieces: list[list[Word]] = [[]]
    for word in words:
        piece = pieces[-1]
        if piece and _full(piece, word):
            cut = _break(piece)
            pieces[-1:] = [piece[:cut], piece[cut:]]
        pieces[-1].append(word)
    if len(pieces) == 1:
        return [cue]
    return [
        Cue(piece[0].start_ms, piece[-1].end_ms, "".join(w.text for w in piece).strip(), cue.name)
        for piece in pieces
    ]


def _full(piece: Sequence[Word], more: Word) -> bool:
    text = "".join(word.text for word in piece) + more.text
    columns = sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
    return columns > WIDEST or more.end_ms - piece[0].start_ms > LONGEST_MS


def _break(piece: Sequence[Word]) -> int:
    """How many words of a full piece stay in it."""
    for marks in (tuple(".!?。！？"), tuple(",;:、")):
        for count in range(len(piece), len(piece) // 2, -1):
            if piece[count - 1].text.rstrip().endswith(marks):
                return count
    return len(piece)


def srt(cues: Iterable[Cue]) -> str:
    """SubRip; a name stands before its text."""
    return "".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        f"{f'{_unbroken(cue.name)}: ' if cue.name else ''}{_unbroken(cue.text)}\n\n"
        for number, cue in enumerate(cues, start=1)
    )


def vtt(cues: Iterable[Cue]) -> str:
    """WebVTT; a name is a voice span."""
    return "WEBVTT\n\n" + "".join(
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
