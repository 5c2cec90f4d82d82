"""What the floor of a talk may decide; when, is the law of `policy.turns`."""

from __future__ import annotations

from dataclasses import dataclass

from kaiwa.domain.events import UtteranceFinal


@dataclass(frozen=True, slots=True)
class Prefill:
    """Let the model read the talk so far, with words that are still being spoken."""

    words: UtteranceFinal | None


@dataclass(frozen=True, slots=True)
class Speculate:
    """Begin a reply that nobody sees; `words` are not in the log yet."""

    words: UtteranceFinal | None


@dataclass(frozen=True, slots=True)
class Discard:
    """The speculation was for words that went on."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The turn is over: reply. `silence_s` has passed since its last voiced sound, and its text was
    known `final_s` after that."""

    cause: str
    silence_s: float
    final_s: float


@dataclass(frozen=True, slots=True)
class Cut:
    """The reply ends here, because `by` speaks. `at`: the (clause, ms) they have heard, None where
    no device plays it."""

    reply_id: str
    by: str
    at: tuple[int, int] | None


Decision = Prefill | Speculate | Discard | Commit | Cut
