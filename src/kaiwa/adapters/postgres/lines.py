"""What each talk says now, one row per utterance and reply, for search.

The same as `policy.transcript`, kept up by every append in its own transaction: a correction
replaces the original, a cut reply is what was heard of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kaiwa.adapters.postgres.database import Connection, queries
from kaiwa.domain.events import (
    Durable,
    Recorded,
    ReplyCut,
    ReplyFinished,
    ReplyStarted,
    UtteranceEdited,
    UtteranceFinal,
)
from kaiwa.domain.ids import TalkId
from kaiwa.policy.search import folded
from kaiwa.policy.transcript import lines


async def follow(connection: Connection, talk: TalkId, seq: int, event: Durable) -> None:
    """What an event that was just appended changes."""
    match event:
        case UtteranceFinal(utterance_id=line, name=name, text=text, at=at):
            await _put(connection, talk, line, seq, name, at, text)
        case ReplyStarted(reply_id=line, name=name, at=at):
            await _put(connection, talk, line, seq, name, at, "", reply=True)
        case UtteranceEdited(utterance_id=line, text=text):
            await _change(connection, talk, line, text)
        case ReplyFinished(reply_id=line, text=text):
            await _change(connection, talk, line, text)
        case ReplyCut(reply_id=line, heard_text=text):
            await _change(connection, talk, line, text, cut=True)
        case _:
            pass


def rows(talk: TalkId, log: Sequence[Recorded]) -> list[dict[str, Any]]:
    """What a whole log comes to, for a talk that has no lines yet."""
    began: dict[str, int] = {}
    for recorded in log:
        event = recorded.event
        if isinstance(event, UtteranceFinal):
            began.setdefault(event.utterance_id, recorded.seq)
        elif isinstance(event, ReplyStarted):
            began.setdefault(event.reply_id, recorded.seq)
    return [
        {
            "talk": talk,
            "id": line.id,
            "seq": began[line.id],
            "name": line.name,
            "reply": line.is_reply,
            "at": line.at,
            "text": line.text,
            "folded": folded(line.text),
        }
        for line in lines(log)
    ]


async def _put(
    connection: Connection,
    talk: TalkId,
    line: str,
    seq: int,
    name: str,
    at: datetime,
    text: str,
    *,
    reply: bool = False,
) -> None:
    await queries.put_line(
        connection,
        talk=talk,
        id=line,
        seq=seq,
        name=name,
        reply=reply,
        at=at,
        text=text,
        folded=folded(text),
    )


async def _change(
    connection: Connection, talk: TalkId, line: str, text: str, *, cut: bool = False
) -> None:
    await queries.change_line(
        connection, text=text, folded=folded(text), cut=cut, talk=talk, id=line
    )
