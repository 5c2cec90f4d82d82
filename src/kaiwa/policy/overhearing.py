"""Two microphones in one room: the words of one person that another's microphone heard too.

The nearer microphone is the louder one, and its words are the better; the same words at the same
time from one that is less loud are not that person's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kaiwa.domain.events import TurnSignal
from kaiwa.policy.similar import distance_within, folded

OVERLAP: Final = 0.5
"""Of the shorter stretch: two clocks may differ, and a far microphone loses soft ends."""
DIFFERENCE: Final = 0.4
"""Of the words, so much may be recognised otherwise from far away."""
LOUDER_DB: Final = 1.0
SHORT: Final = 4
SHORT_LOUDER_DB: Final = 6.0
"""はい is also said by two at once: fewer letters than SHORT must be that much less loud."""
FORGET_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a capture heard between two times of the talk; `level_db` is relative to full scale."""

    capture: str
    started_ms: int
    ended_ms: int
    level_db: float
    text: str


class Overhearing:
    """What was said in a talk lately, by all of its captures."""

    def __init__(self) -> None:
        self._lately: list[Stretch] = []

    def observe(self, signal: TurnSignal) -> None:
        """Take the words up to a pause."""
        if signal.signal != "paused" or not signal.text or signal.level_db is None:
            return
        heard = Stretch(
            signal.capture, signal.started_ms, signal.ended_ms, signal.level_db, signal.text
        )
        since = heard.ended_ms - FORGET_MS
        kept = (
            each
            for each in self._lately
            if each.ended_ms > since
            and (each.capture, each.started_ms) != (heard.capture, heard.started_ms)
        )
        self._lately = [*kept, heard]

    def is_overheard(self, heard: Stretch) -> bool:
        """Whether a louder capture heard these words at that time."""
        return any(_covers(each, heard) for each in self._lately if each.capture != heard.capture)


def _covers(louder: Stretch, heard: Stretch) -> bool:
    words, all_words = folded(heard.text), folded(louder.text)
    margin = LOUDER_DB if len(words) >= SHORT else SHORT_LOUDER_DB
    common = min(louder.ended_ms, heard.ended_ms) - max(louder.started_ms, heard.started_ms)
    shorter = min(each.ended_ms - each.started_ms for each in (louder, heard))
    return (
        bool(words)
        and louder.level_db - heard.level_db >= margin
        and common >= OVERLAP * shorter
        and distance_within(words, all_words) <= DIFFERENCE * len(words)
    )
