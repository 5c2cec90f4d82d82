"""What the engines inside the voice child are, and how one of their calls is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from kaiwa.domain.audio import Speech
from kaiwa.ports.tts import Prosody


class Aborted(Exception):
    """The request being served is no longer wanted."""


class Abort:
    """Whether a request is still wanted; set by the reading thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self.requested = False

    def request(self) -> None:
        with self._lock:
            self.requested = True
            if self._stop is not None:
                self._stop()

    def stop_with(self, stop: Callable[[], None]) -> None:
        """`stop` ends what is about to begin, from another thread. Raises Aborted."""
        with self._lock:
            if self.requested:
                raise Aborted
            self._stop = stop


OPENJTALK = threading.Lock()
"""Around every use of OpenJTalk, whose state is the process's."""


class Synthesiser(Protocol):
    """An engine inside the child; made on first use, which loads its model. Several threads use it
    at once."""

    def speak(self, voice: str, text: str, prosody: Prosody, abort: Abort) -> Speech:
        """Raises Aborted; RuntimeError, ValueError, LookupError or OSError when it cannot."""


def has_words(text: str) -> bool:
    """Whether there is anything to say: a letter or a digit of any script."""
    return any(character.isalnum() for character in text)
