"""A talk as a file for people and other programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

from kaiwa.domain.events import Recorded, Unknown, encode_recorded
from kaiwa.domain.speech import Word
from kaiwa.domain.talk import Talk
from kaiwa.policy.subtitles import Cue, split, srt, vtt
from kaiwa.policy.transcript import lines

_READING_MS_PER_CHARACTER: Final = 80
"""How long a subtitle without times of its own stays."""
_FURTHER: Final = "\n    "


def export(talk: Talk, events: Sequence[Recorded], form: str) -> tuple[str, str]:
    """The media type and the text. Raises KeyError for a form that is not in FORMS."""
    media_type, write = _WRITERS[form]
    return media_type, write(talk, events)


def _txt(talk: Talk, events: Sequence[Recorded]) -> str:
    """What somebody says on a second line is indented: at the margin it would be another's."""
    return "".join(
        f"{' '.join(line.name.split())}: {_FURTHER.join(line.text.splitlines())}\n"
        for line in lines(events)
    )


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
    return srt(_cues(talk, events))


def _vtt(talk: Talk, events: Sequence[Recorded]) -> str:
    return vtt(_cues(talk, events))


def _cues(talk: Talk, events: Sequence[Recorded]) -> list[Cue]:
    cues = []
    for line in lines(events):
        start = line.started_ms
        if start is None:
            start = max(0, int((line.at - talk.created_at).total_seconds() * 1000))
        end = line.ended_ms
        if end is None or end <= start:
            end = start + max(1_000, len(line.text) * _READING_MS_PER_CHARACTER)
        words = [Word(text, start + at, start + behind, 1.0) for text, at, behind in line.words]
        cues += split(Cue(start, end, line.text, line.name), words)
    return sorted(cues, key=lambda cue: cue.start_ms)


def _json(talk: Talk, events: Sequence[Recorded]) -> str:
    known = (recorded for recorded in events if not isinstance(recorded.event, Unknown))
    whole = {
        "kaiwa": 1,
        "talk": talk.model_dump(mode="json", exclude={"role"}),
        "events": [encode_recorded(recorded) for recorded in known],
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
