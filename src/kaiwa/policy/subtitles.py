"""Timed text as SubRip and WebVTT."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cue:
    """What is said from `start_ms` to `end_ms`; `name` empty: nobody in particular."""

    start_ms: int
    end_ms: int
    text: str
    name: str = ""


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
