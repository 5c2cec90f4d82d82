"""What the routes need; the composition root fills it in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kaiwa.models.pulls import Pulls
from kaiwa.pipeline.captures import Captures
from kaiwa.pipeline.clips import Clips
from kaiwa.pipeline.fan_out import FanOut
from kaiwa.pipeline.floor import Floors
from kaiwa.pipeline.respond import Responder
from kaiwa.pipeline.voices import VoiceBook
from kaiwa.ports.accounts import Accounts, Invites, Talks
from kaiwa.ports.asr import Recogniser
from kaiwa.ports.event_log import EventLog
from kaiwa.ports.llm import ChatModel
from kaiwa.ports.measures import Measures
from kaiwa.ports.recordings import Recordings
from kaiwa.ports.wakeup import Wakeups
from kaiwa.web.attempts import Attempts
from kaiwa.web.presence import Presences
from kaiwa.web.security import Site
from kaiwa.web.sessions import Sessions
from kaiwa.web.sse import Messages


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a running process. `parts` proves that each of them answers; `closing` is set
    when the process is to end, and ends every open stream; `listeners` are those streams. Where
    `change_recogniser` is None, the settings say which it is."""

    site: Site
    sessions: Sessions
    attempts: Attempts
    accounts: Accounts
    talks: Talks
    invites: Invites
    event_log: EventLog
    clips: Clips
    recordings: Recordings
    wakeups: Wakeups
    fan_out: FanOut
    captures: Captures
    responder: Responder
    floors: Floors
    voices: VoiceBook
    recogniser: Recogniser
    model: ChatModel
    measures: Measures
    weights: Callable[[], list[dict[str, Any]]]
    change_recogniser: Callable[[str], Awaitable[None]] | None
    pulls: Pulls
    parts: Mapping[str, Callable[[], Awaitable[None]]]
    registration: bool = True
    listeners: set[object] = field(default_factory=set)
    messages: Messages = field(default_factory=Messages)
    presences: Presences = field(default_factory=Presences)
    importing: asyncio.Lock = field(default_factory=asyncio.Lock)
    trying: asyncio.Lock = field(default_factory=asyncio.Lock)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
