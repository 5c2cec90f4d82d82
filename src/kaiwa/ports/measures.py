"""What a process counts about itself, for whoever watches over it; never what was said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Measures(Protocol):
    def appended(self, kind: str) -> None:
        """A durable event of that type was stored."""

    def recognised(self, lag_ms: float) -> None:
        """Live speech became text so long after it ended."""

    def replied(self, status: str, timing: Mapping[str, int]) -> None:
        """A reply ended; `timing` as `reply.finished` has it, in milliseconds."""

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
