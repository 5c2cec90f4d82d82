"""What the routes need; the composition root fills it in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kaiwa.pipeline.captures import Captures
from kaiwa.pipeline.fan_out import FanOut
from kaiwa.pipeline.floor import Floors
from kaiwa.pipeline.respond import Responder
from kaiwa.pipeline.voices import VoiceBook
from kaiwa.ports.accounts import Accounts, Talks
from kaiwa.ports.clip_store import ClipStore
from kaiwa.ports.event_log import EventLog
from kaiwa.ports.llm import ChatModel
from kaiwa.web.security import Site, Tokens


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a running process. `parts` proves that each of them answers; `closing` is set
    when the process is to end, and ends every open stream."""

    site: Site
    tokens: Tokens
    accounts: Accounts
    talks: Talks
    event_log: EventLog
    clips: ClipStore
    fan_out: FanOut
    captures: Captures
    responder: Responder
    floors: Floors
    voices: VoiceBook
    model: ChatModel
    weights: Callable[[], list[dict[str, Any]]]
    parts: Mapping[str, Callable[[], Awaitable[None]]]
    registration: bool = True
    closing: asyncio.Event = field(default_factory=asyncio.Event)
