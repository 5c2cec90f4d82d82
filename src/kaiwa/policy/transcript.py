"""What a talk says: its events folded into lines, with corrections and cuts applied."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from kaiwa.domain.events import (
    Recorded,
    ReplyCut,
    ReplyFinished,
    ReplyStarted,
    UtteranceEdited,
    UtteranceFinal,
)
from kaiwa.domain.talk import AGENT


@dataclass(frozen=True, slots=True)
class Line:
    """An utterance or a reply as it stands now. Times count from the talk's creation."""

    id: str
    participant: str
    name: str
    text: str
    language: str
    at: datetime
    started_ms: int | None = None
    ended_ms: int | None = None
    words: tuple[tuple[str, int, int], ...] = ()

    @property
    def is_reply(self) -> bool:
        return self.participant == AGENT


def lines(events: Iterable[Recorded]) -> list[Line]:
    """One line per utterance and per reply that was heard, in the order of the log.

    A reply that was cut holds what was heard; one of which nothing was heard is left out, as is
    one that has not finished.
    """
    found: dict[str, Line] = {}
    cut_replies: set[str] = set()
    for recorded in events:
        match recorded.event:
            case UtteranceFinal() as said:
                found[said.utterance_id] = Line(
                    id=said.utterance_id,
                    participant=said.participant,
                    name=said.name,
                    text=said.text,
                    language=said.language,
                    at=said.at,
                    started_ms=said.started_ms,
                    ended_ms=said.ended_ms,
                    words=said.words,
                )
            case UtteranceEdited() as edit if edit.utterance_id in found:
                found[edit.utterance_id] = replace(
                    found[edit.utterance_id], text=edit.text, words=edit.words
                )
            case ReplyStarted() as started:
                found[started.reply_id] = Line(
                    id=started.reply_id,
                    participant=AGENT,
                    name=started.name,
                    text="",
                    language="",
                    at=started.at,
                )
            case ReplyFinished(reply_id=reply_id) as finished if reply_id in found:
                if reply_id not in cut_replies:  # a cut may come first; it holds what was heard
                    found[reply_id] = replace(found[reply_id], text=finished.text)
            case ReplyCut() as cut if cut.reply_id in found:
                cut_replies.add(cut.reply_id)
                found[cut.reply_id] = replace(found[cut.reply_id], text=cut.heard_text)
            case _:
                pass
    return [line for line in found.values() if line.text.strip()]
