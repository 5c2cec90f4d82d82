"""What the contracts of event logs write into, and what they write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kaiwa.domain.events import (
    ReplyClause,
    UtteranceFinal,
)
from kaiwa.domain.ids import CaptureId, TalkId, UserId
from kaiwa.ports.event_log import EventLog
from kaiwa.ports.recordings import Recordings
from kaiwa.ports.wakeup import Wakeups

CAPTURE = CaptureId("capture-1")
NOWHERE = TalkId("nowhere")


@dataclass
class Kept:
    """A log with two talks of two users, who are people it may refer to."""

    log: EventLog
    wakeups: Wakeups
    talk: TalkId
    other: TalkId
    mari: UserId
    ken: UserId
    recordings: Recordings
    record: Callable[[bool], Awaitable[None]]
    """Switch the recording of the talk."""
    lose_owners: Callable[[], Awaitable[None]]
    """Let every lease of a reply or a floor run out."""

    async def new_events(self, after: int) -> list[tuple[int, str]]:
        return [(r.seq, r.event.type) for r in await self.log.read(self.talk, after)]


def said(text: str, utterance: str = "u-1", capture: str | None = None) -> UtteranceFinal:
    return UtteranceFinal(
        utterance_id=utterance,
        participant="mari",
        name="まり",
        text=text,
        language="ja",
        started_ms=0,
        ended_ms=500,
        capture=capture,
    )


def clause(reply: str, index: int, text: str) -> ReplyClause:
    return ReplyClause(reply_id=reply, index=index, text=text, start=0, end=len(text))
