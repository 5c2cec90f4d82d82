"""Whose turn it is next."""

from __future__ import annotations

import unicodedata

from kaiwa.domain.events import UtteranceFinal
from kaiwa.domain.talk import Mode, Talk


def wants_reply(talk: Talk, said: UtteranceFinal) -> bool:
    """Whether the agent answers an utterance without being asked by the button."""
    match talk.mode:
        case Mode.BUTTON:
            return False
        case Mode.HANDS_FREE:
            return True
        case Mode.NAME:
            return _folded(talk.agent_name) in _folded(said.text)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
