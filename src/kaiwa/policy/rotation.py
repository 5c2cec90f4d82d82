"""Which of a session's tokens are good: the newest, and for a while the one before it.

A token that was replaced and comes again was copied by somebody, so the whole session ends
(RFC 9700, 4.14.2). Two exceptions keep honest browsers in: until the newest was used its answer may
have been lost, and just after its first use requests with the old one may still be on their way.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

GRACE_S: Final = 60.0
"""How long requests may be on their way; a slow house network and a sleeping tab fit in."""


class Verdict(Enum):
    GOOD = auto()
    REPLACE = auto()  # good, and old enough for the next one
    REPEAT = auto()  # good, and the newest is given again
    REUSED = auto()


@dataclass(frozen=True, slots=True)
class Standing:
    """A session's newest token: its number, how long ago it was made and first used (None: not
    yet), in seconds."""

    rotation: int
    issued_ago_s: float
    used_ago_s: float | None


def judge(presented: int, newest: Standing, replace_after_s: float) -> Verdict:
    """What to do about token number `presented`."""
    if presented == newest.rotation:
        return Verdict.REPLACE if newest.issued_ago_s >= replace_after_s else Verdict.GOOD
    before = presented == newest.rotation - 1
    if before and (newest.used_ago_s is None or newest.used_ago_s < GRACE_S):
        return Verdict.REPEAT
    return Verdict.REUSED
