"""Names of things: short, unguessable, safe in a URL, a channel name and a file name."""

from __future__ import annotations

import re
import secrets
from typing import NewType

TalkId = NewType("TalkId", str)
UserId = NewType("UserId", str)
CaptureId = NewType("CaptureId", str)
UtteranceId = NewType("UtteranceId", str)
ReplyId = NewType("ReplyId", str)
ClipId = NewType("ClipId", str)
EventId = NewType("EventId", str)
SessionId = NewType("SessionId", str)
InviteId = NewType("InviteId", str)

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_LENGTH = 20  # 100 bits: nobody guesses one
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


def new_id() -> str:
    """20 lower-case letters and digits, 100 random bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def is_client_id(text: str) -> bool:
    """Whether an id minted by a page (a capture, a listener) may be used as it stands."""
    return _CLIENT_ID.fullmatch(text) is not None


def utterance_id(capture: CaptureId, number: int) -> UtteranceId:
    """The id of a capture's n-th utterance, so that a retried append is the same utterance."""
    return UtteranceId(f"{capture}-{number}")
