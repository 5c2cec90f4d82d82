"""What each talk says now, one row per utterance and reply, for search.

The same as `policy.transcript`, kept up by every append in its own transaction: a correction
replaces the original, a cut reply is what was heard of it.
"""

from __future__ import annotations

from datetime import datetime

from kaiwa.adapters.postgres.database import Connection, queries
from kaiwa.domain.events import (
    Durable,
    ReplyCut,
    ReplyFinished,
    ReplyStarted,
    UtteranceEdited,
    UtteranceFinal,
)
from kaiwa.domain.ids import TalkId
from kaiwa.policy.search import folded


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
