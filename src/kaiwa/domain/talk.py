"""A talk, who is in it, and how its settings may be."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kaiwa.domain.ids import InviteId, TalkId, UserId

AGENT = "agent"
"""The participant name of the agent in events."""


UserName = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]+$"
    ),
]
"""What somebody may be called."""


class Mode(StrEnum):
    """When the agent answers: on the button, at the end of each turn, or when called by name."""

    BUTTON = "button"
    HANDS_FREE = "hands-free"
    NAME = "name"


class Role(StrEnum):
    """What a member may do: everything; speak and ask; only listen."""

    OWNER = "owner"
    SPEAKER = "speaker"
    LISTENER = "listener"


class TalkSettings(BaseModel):
    """What a member can choose for a talk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field("", max_length=200)
    language: str = Field("auto", pattern=r"^(auto|[a-z]{2,3})$", description="ISO 639-1 or auto")
    vocabulary: str = Field(
        "", max_length=600, description="names and terms that may be said, in any form"
    )
    agent_name: str = Field("AI", min_length=1, max_length=60)
    instructions: str = Field("", max_length=8_000)
    llm_model: str = Field("", max_length=200, description="empty: the server's default")
    voice: str = Field(
        "auto", max_length=80, description="an id from GET /voices, auto, browser, or none"
    )
    voice_speed: float = Field(1.0, ge=0.5, le=2.0, description="times the voice's own speed")
    voice_pitch: float = Field(0.0, ge=-12, le=12, description="semitones above the voice's own")
    mode: Mode = Mode.BUTTON
    retention_days: int = Field(
        0, ge=0, le=36_500, description="what is older is erased; 0: everything is kept"
    )
    recording: bool = Field(False, description="whether the sound of utterances is kept")


class TalkChanges(BaseModel):
    """New values for some of a talk's settings; they are held to what TalkSettings allows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str | None = None
    language: str | None = None
    vocabulary: str | None = None
    agent_name: str | None = None
    instructions: str | None = None
    llm_model: str | None = None
    voice: str | None = None
    voice_speed: float | None = None
    voice_pitch: float | None = None
    mode: Mode | None = None
    retention_days: int | None = None
    recording: bool | None = None


class Talk(TalkSettings):
    """A talk as its members see it."""

    id: TalkId
    created_at: datetime
    seq: int = Field(description="the newest event's seq")
    role: Role = Field(description="what the reader may do here")
    archived: bool = Field(False, description="whether the reader has put it away")
    first_words: str = Field(
        "", description="of a talk without a title: what was said first, 80 characters of it"
    )


class Member(BaseModel):
    """A person in a talk."""

    model_config = ConfigDict(frozen=True)

    participant: UserId
    name: str
    role: Role


class Invite(BaseModel):
    """A way into a talk, for who has its link."""

    model_config = ConfigDict(frozen=True)

    id: InviteId
    role: Role
    expires_at: datetime


class User(BaseModel):
    """Someone with an account."""

    model_config = ConfigDict(frozen=True)

    id: UserId
    name: str
