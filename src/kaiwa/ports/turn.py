"""Whether somebody who fell silent has said all they had to say, judged by how it sounded."""

from __future__ import annotations

from typing import Protocol

from kaiwa.domain.audio import Samples


class TurnDetector(Protocol):
    """A model of how turns end. Its verdict shifts the moment of the answer, and decides nothing
    alone."""

    async def probability(self, sound: Samples) -> float:
        """That the turn is over, in 0..1, for the sound up to the pause; its last 8 s count.
        Raises ModelMissing."""

    async def ready(self) -> None:
        """Load; raises ModelMissing."""
