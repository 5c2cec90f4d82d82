"""Voice activity: is somebody speaking in this frame?"""

from __future__ import annotations

from typing import Protocol

from kaiwa.domain.audio import Samples


class VoiceActivity(Protocol):
    """One per capture; it remembers what it heard before."""

    def probability(self, frame: Samples) -> float:
        """In 0..1, of exactly FRAME_SAMPLES samples. Fast (well under a millisecond)."""


class VoiceActivityFactory(Protocol):
    def __call__(self) -> VoiceActivity: ...
