"""The sound of what was said lately: some clauses come again and again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from kaiwa.domain.audio import Speech

MAX_BYTES: Final = 64_000_000  # 22 minutes at 24 kHz


class ClipCache:
    """In memory alone: what was said must not outlive its talk on a disk. The oldest go first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._clips: OrderedDict[Hashable, Speech] = OrderedDict()
        self._max_bytes = max_bytes
        self._bytes = 0

    def __contains__(self, key: Hashable) -> bool:
        return key in self._clips

    def get(self, key: Hashable) -> Speech | None:
        speech = self._clips.get(key)
        if speech is not None:
            self._clips.move_to_end(key)
        return speech

    def put(self, key: Hashable, speech: Speech) -> None:
        self._drop(self._clips.pop(key, None))
        self._clips[key] = speech
        self._bytes += speech.pcm.nbytes
        while self._bytes > self._max_bytes:
            self._drop(self._clips.popitem(last=False)[1])

    def _drop(self, speech: Speech | None) -> None:
        self._bytes -= 0 if speech is None else speech.pcm.nbytes
