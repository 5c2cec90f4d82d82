"""What recognition says about sound."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Word:
    """A stretch of text that was said in one breath of time: a word where the script has spaces,
    else about a character. Times are in milliseconds from the beginning of the segment; joined,
    the texts of a transcript's words are its text, give or take space at its ends."""

    text: str
    start_ms: int
    end_ms: int
    probability: float

    def later(self, ms: int) -> Word:
        """The same word, in a segment that began `ms` earlier."""
        return replace(self, start_ms=self.start_ms + ms, end_ms=self.end_ms + ms)


@dataclass(frozen=True, slots=True)
class Partial:
    """One decode of a segment that goes on. `confidence` is the probability (0..1) of each
    character, empty from an engine that does not tell."""

    text: str
    confidence: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """One decode of a segment: its text and the language it is in (ISO 639-1).

    `confidence` is the mean probability of its tokens (0..1), None and no `words` from an engine
    that does not tell.
    """

    text: str
    language: str
    confidence: float | None = None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the recogniser believes now. `stable` never changes once shown; `tentative` may."""

    stable: str
    tentative: str
    revision: int
