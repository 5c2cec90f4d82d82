"""Who speaks in a talk now, capture by capture, as the turns of the talk know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kaiwa.domain.events import TurnSignal, UtteranceFinal, UtterancePartial

FORGET_TALKER_S: Final = 30.0
"""A capture that says nothing for longer than its longest segment is gone."""


@dataclass(slots=True)
class Talker:
    """A capture of somebody who speaks in the talk."""

    participant: str
    seen: float
    open: int = 0
    """Segments that have begun and whose words are not known."""
    voiced: bool = False
    paused: bool = False
    words: UtteranceFinal | None = None
    """What was said up to the pause."""
    heard: str = ""
    """The last hypothesis of this segment."""
    began: float = 0.0
    over_reply: bool = False
    """Whether this segment began while a reply was sounding."""

    @property
    def busy(self) -> bool:
        return self.voiced or (self.open > 0 and not self.paused) or self.open > 1

    def resolve(self) -> None:
        """A segment's words are known, or that it has none."""
        self.open = max(0, self.open - 1)
        self.words = None
        if not self.open:
            self.paused = False


def words_of(event: TurnSignal | UtterancePartial) -> UtteranceFinal:
    """Words that are not in the log, as the prompt wants them."""
    text = event.text if isinstance(event, TurnSignal) else event.stable
    return UtteranceFinal(
        utterance_id=event.utterance_id,
        participant=event.participant,
        name=event.name,
        text=text,
        language="",
        started_ms=event.started_ms,
        ended_ms=event.started_ms,
        capture=event.capture,
    )
