"""A talk from its JSON export: what was said, as it was said, for somebody else to own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kaiwa.domain.events import (
    Durable,
    ReplyClause,
    ReplyCut,
    ReplyFinished,
    ReplyStarted,
    UtteranceEdited,
    UtteranceFinal,
)
from kaiwa.domain.ids import new_id
from kaiwa.domain.talk import TalkSettings
from kaiwa.errors import BadRequest

MAX_EVENTS: Final = 200_000
_FOR_OWNERS: Final = {"retention_days", "recording"}
_SAID: Final = (UtteranceFinal, UtteranceEdited, ReplyStarted, ReplyClause, ReplyFinished, ReplyCut)


class _Talk(TalkSettings):
    model_config = ConfigDict(frozen=True, extra="ignore")

    created_at: datetime


class _Document(BaseModel):
    kaiwa: Literal[1]
    talk: _Talk
    events: Annotated[list[Durable], Field(max_length=MAX_EVENTS)]


@dataclass(frozen=True, slots=True)
class Imported:
    """A talk to make; its members stay where they were."""

    settings: TalkSettings
    created_at: datetime
    events: Sequence[Durable]


def imported(document: bytes) -> Imported:
    """Raises BadRequest for what is no export of a talk."""
    try:
        read = _Document.model_validate_json(document)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadRequest(f"this is no talk that kaiwa exported: {where}: {first['msg']}") from None
    events = [_of_its_own(event) for event in read.events if isinstance(event, _SAID)]
    settings = read.talk.model_dump(include=set(TalkSettings.model_fields) - _FOR_OWNERS)
    return Imported(
        TalkSettings(**settings), _in_utc(read.talk.created_at), [*events, *_endings(events)]
    )


def _of_its_own(event: Durable) -> Durable:
    """Its sound belongs to another talk: with a clip's id of its own it is spoken again, and a
    recording stays where it was."""
    changes: dict[str, object] = {"at": _in_utc(event.at)}
    if isinstance(event, ReplyClause) and event.clip is not None:
        changes["clip"] = new_id()
    if isinstance(event, UtteranceFinal):
        changes["recorded"] = False
    return event.model_copy(update=changes)


def _endings(events: Sequence[Durable]) -> list[Durable]:
    """For replies that were going on when the talk was exported."""
    finished = {event.reply_id for event in events if isinstance(event, ReplyFinished)}
    return [
        ReplyFinished(reply_id=event.reply_id, status="interrupted", text="", at=event.at)
        for event in events
        if isinstance(event, ReplyStarted) and event.reply_id not in finished
    ]


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError:
        raise BadRequest("this is no talk that kaiwa exported: no calendar has its times") from None
