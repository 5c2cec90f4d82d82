"""What recognition says about sound."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transcript:
    """One decode of a segment: its text and the language it is in (ISO 639-1)."""

    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the recogniser believes now. `stable` never changes once shown; `tentative` may."""

    stable: str
    tentative: str
    revision: int
