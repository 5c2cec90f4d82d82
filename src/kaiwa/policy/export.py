"""A talk as a file for people and other programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

from kaiwa.domain.events import Recorded, encode_recorded
from kaiwa.domain.talk import Talk
from kaiwa.policy.transcript import Line, lines

_READING_MS_PER_CHARACTER: Final = 80
"""How long a subtitle without times of its own stays."""


def export(talk: Talk, events: Sequence[Recorded], form: str) -> tuple[str, str]:
    """The media type and the text. Raises KeyError for a form that is not in FORMS."""
    media_type, write = _WRITERS[form]
    return media_type, write(talk, events)


def _txt(talk: Talk, events: Sequence[Recorded]) -> str:
    return "".join(f"{line.name}: {line.text}\n" for line in lines(events))


def _md(talk: Talk, events: Sequence[Recorded]) -> str:
    body = "".join(
        f"**{_plain(line.name)}** · {line.at:%Y-%m-%d %H:%M}\n\n{_plain(line.text)}\n\n"
        for line in lines(events)
    )
    return f"# {_plain(talk.title) or 'kaiwa'}\n\n{body}"


def _plain(text: str) -> str:
    for mark in "\\`*_[]<>#":
        text = text.replace(mark, f"\\{mark}")
    return text


def _srt(talk: Talk, events: Sequence[Recorded]) -> str:
    cues = enumerate(_cues(talk, events), start=1)
    return "".join(
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n"
        f"{_unbroken(line.name)}: {_unbroken(line.text)}\n\n"
        for number, (line, start, end) in cues
    )


def _vtt(talk: Talk, events: Sequence[Recorded]) -> str:
    cues = "".join(
        f"{_clock(start, '.')} --> {_clock(end, '.')}\n"
        f"<v {_cue_text(line.name)}>{_cue_text(line.text)}\n\n"
        for line, start, end in _cues(talk, events)
    )
    return f"WEBVTT\n\n{cues}"


def _unbroken(text: str) -> str:
    """In one line: an empty one would end the cue."""
    return " ".join(text.split())


def _cue_text(text: str) -> str:
    return _unbroken(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cues(talk: Talk, events: Sequence[Recorded]) -> list[tuple[Line, int, int]]:
    cues = []
    for line in lines(events):
        start = line.started_ms
        if start is None:
            start = max(0, int((line.at - talk.created_at).total_seconds() * 1000))
        end = line.ended_ms
        if end is None or end <= start:
            end = start + max(1_000, len(line.text) * _READING_MS_PER_CHARACTER)
        cues.append((line, start, end))
    return sorted(cues, key=lambda cue: cue[1])


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"


def _json(talk: Talk, events: Sequence[Recorded]) -> str:
    whole = {
        "kaiwa": 1,
        "talk": talk.model_dump(mode="json", exclude={"role"}),
        "events": [encode_recorded(recorded) for recorded in events],
    }
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


_WRITERS: Final[dict[str, tuple[str, Callable[[Talk, Sequence[Recorded]], str]]]] = {
    "txt": ("text/plain", _txt),
    "md": ("text/markdown", _md),
    "srt": ("application/x-subrip", _srt),
    "vtt": ("text/vtt", _vtt),
    "json": ("application/json", _json),
}
FORMS: Final = tuple(_WRITERS)
