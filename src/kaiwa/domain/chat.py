"""What a chat model is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """`speakers` are the people whose names stand before their words in it."""

    role: Literal["system", "user", "assistant"]
    content: str
    speakers: tuple[str, ...] = ()
