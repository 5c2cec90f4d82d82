"""Everything that happens in a talk, and the one codec that writes and reads it.

Durable events are rows: they get a `seq` (1, 2, 3 … per talk, no gaps) when they are appended.
Ephemeral events pass by and are gone.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kaiwa.domain.talk import Role

RECOGNISER = "recogniser"
"""Who corrected an utterance, where no person did."""


def _now() -> datetime:
    return datetime.fromtimestamp(round(time.time(), 3), UTC)


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    at: datetime = Field(default_factory=_now)


# --- durable -----------------------------------------------------------------------------------


class UtteranceFinal(_Event):
    """One finished stretch of speech (`capture` set) or typed text (`capture` None).

    `words` are (text, start, end) in milliseconds from `started_ms`; joined they are `text`.
    `recorded`: its sound is kept.
    """

    type: Literal["utterance.final"] = "utterance.final"
    utterance_id: str
    participant: str
    name: str
    text: str
    language: str
    started_ms: int
    ended_ms: int
    capture: str | None = None
    confidence: float | None = None
    words: tuple[tuple[str, int, int], ...] = ()
    recorded: bool = False


class UtteranceEdited(_Event):
    """A person's correction, or (`by` RECOGNISER) what the recogniser `model` heard in its sound
    later; `words` as in `utterance.final`, where they are known."""

    type: Literal["utterance.edited"] = "utterance.edited"
    utterance_id: str
    text: str
    by: str
    model: str = ""
    words: tuple[tuple[str, int, int], ...] = ()


class ReplyStarted(_Event):
    type: Literal["reply.started"] = "reply.started"
    reply_id: str
    generation: int
    cause: str
    name: str


class ReplyClause(_Event):
    """`start`/`end`: its place in the reply's text. No `clip`: the browser's own voice speaks it,
    or nobody does."""

    type: Literal["reply.clause"] = "reply.clause"
    reply_id: str
    index: int
    text: str
    start: int
    end: int
    clip: str | None = None
    duration_ms: int = 0


class ReplyFinished(_Event):
    """`error` says why, when `status` is failed: a code of `kaiwa.errors` and its sentence."""

    type: Literal["reply.finished"] = "reply.finished"
    reply_id: str
    status: Literal["complete", "interrupted", "failed"]
    text: str
    timing: dict[str, int] = Field(default_factory=dict)
    error: dict[str, Any] | None = None


class ReplyCut(_Event):
    """Supersedes what the talk remembers of a reply: only `heard_text` was heard."""

    type: Literal["reply.cut"] = "reply.cut"
    reply_id: str
    by: str
    clause: int
    ms: int
    heard_text: str


class TalkUpdated(_Event):
    type: Literal["talk.updated"] = "talk.updated"
    by: str
    settings: dict[str, str | bool]


class TalkDeleted(_Event):
    type: Literal["talk.deleted"] = "talk.deleted"
    by: str


class MemberJoined(_Event):
    type: Literal["member.joined"] = "member.joined"
    participant: str
    name: str
    role: Role


class MemberLeft(_Event):
    type: Literal["member.left"] = "member.left"
    participant: str


class Unknown(_Event):
    """What another version of kaiwa has stored, and this one does not know: nobody here acts on it,
    and readers get it as it is."""

    model_config = ConfigDict(extra="allow")

    type: str


# --- ephemeral ---------------------------------------------------------------------------------


class SpeechStarted(_Event):
    type: Literal["speech.started"] = "speech.started"
    participant: str
    capture: str


class SpeechEnded(_Event):
    type: Literal["speech.ended"] = "speech.ended"
    participant: str
    capture: str


class UtterancePartial(_Event):
    type: Literal["utterance.partial"] = "utterance.partial"
    utterance_id: str
    participant: str
    name: str
    capture: str
    started_ms: int
    revision: int
    stable: str
    tentative: str


class UtteranceWithdrawn(_Event):
    """Partials were shown for what turned out to be no speech."""

    type: Literal["utterance.withdrawn"] = "utterance.withdrawn"
    utterance_id: str


class CaptureDurable(_Event):
    """Everything before `offset` (samples) is stored; the page may forget it."""

    type: Literal["capture.durable"] = "capture.durable"
    capture: str
    offset: int


class ReplyDelta(_Event):
    """`offset`: where `text` goes in the reply's text; on a gap readers wait for the clause."""

    type: Literal["reply.delta"] = "reply.delta"
    reply_id: str
    offset: int
    text: str


class ReplyStopping(_Event):
    """Somebody asked the reply to stop; the process that makes it will."""

    type: Literal["reply.stopping"] = "reply.stopping"
    reply_id: str


class ReplyNotice(_Event):
    """Something a listener should know of a reply that goes on, such as a voice that failed."""

    type: Literal["reply.notice"] = "reply.notice"
    reply_id: str
    code: str
    message: str


class ReplyPlayed(_Event):
    """How far a device has played a reply; for the talk's floor, not for readers."""

    type: Literal["reply.played"] = "reply.played"
    reply_id: str
    listener: str
    user: str
    clause: int
    ms: int


class TurnSignal(_Event):
    """What a capture's process tells the talk's floor of a segment; not for readers.

    `silent`: the voice fell silent `silence_ms` ago; `paused`: the same, after `text`, which was
    said from `started_ms` to `ended_ms` of the talk at `level_db` of full scale; `judged`: the turn
    model's `score` of that pause; `resumed`: the pause was inside the segment; `nothing`: the
    segment is over without words; `late`: the utterance of that id is older than its live edge;
    `gone`: the capture begins anew or is over, and nothing of it is open.
    """

    type: Literal["turn.signal"] = "turn.signal"
    signal: Literal["silent", "paused", "judged", "resumed", "nothing", "late", "gone"]
    participant: str
    capture: str
    utterance_id: str = ""
    name: str = ""
    text: str = ""
    started_ms: int = 0
    ended_ms: int = 0
    level_db: float | None = None
    silence_ms: int = 0
    score: float | None = None


class RollCall(_Event):
    """Somebody has come: the other processes tell who is here. Not for readers."""

    type: Literal["roll.call"] = "roll.call"
    process: str


class Presence(_Event):
    type: Literal["presence"] = "presence"
    participant: str
    name: str
    state: Literal["here", "gone"]


Durable = Annotated[
    UtteranceFinal
    | UtteranceEdited
    | ReplyStarted
    | ReplyClause
    | ReplyFinished
    | ReplyCut
    | TalkUpdated
    | TalkDeleted
    | MemberJoined
    | MemberLeft,
    Field(discriminator="type"),
]
Ephemeral = Annotated[
    SpeechStarted
    | SpeechEnded
    | UtterancePartial
    | UtteranceWithdrawn
    | CaptureDurable
    | ReplyDelta
    | ReplyStopping
    | ReplyNotice
    | Presence,
    Field(discriminator="type"),
]

Internal = Annotated[ReplyPlayed | TurnSignal | RollCall, Field(discriminator="type")]
"""Ephemeral events between the processes of a site; no reader gets them."""

_durable: TypeAdapter[Durable] = TypeAdapter(Durable)
_ephemeral: TypeAdapter[Ephemeral | Internal] = TypeAdapter(Ephemeral | Internal)


class Recorded(BaseModel):
    """A durable event in its place in a talk's log."""

    model_config = ConfigDict(frozen=True)

    seq: int
    event: Durable | Unknown


def encode(event: Durable | Ephemeral | Internal | Unknown) -> dict[str, Any]:
    """The event as JSON-ready values, with its `type`."""
    return event.model_dump(mode="json")


def encode_recorded(recorded: Recorded) -> dict[str, Any]:
    """The same with its `seq`, as readers get it."""
    return {"seq": recorded.seq, **encode(recorded.event)}


def decode_durable(values: dict[str, Any]) -> Durable:
    """Raises pydantic.ValidationError if the values are no durable event."""
    return _durable.validate_python(values)


def decode_stored(values: dict[str, Any]) -> Durable | Unknown:
    """What a row of the log holds, of whatever version."""
    try:
        return decode_durable(values)
    except ValidationError:
        return Unknown.model_validate(values)


def decode_ephemeral(values: dict[str, Any]) -> Ephemeral | Internal:
    """Raises pydantic.ValidationError if the values are no ephemeral event."""
    return _ephemeral.validate_python(values)
