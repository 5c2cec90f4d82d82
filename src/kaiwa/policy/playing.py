"""Where the listeners are in the reply that sounds, from its clauses and their reports.

Times are seconds of the caller's monotonic clock. Between two reports the sound is taken to go on;
without any, each clause is taken to begin when it is there and the one before it is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from kaiwa.domain.events import ReplyClause

REACH_S: Final = 1.5
"""How long after a clause its echo may still be heard, and how far a report may be off."""

DEVICES: Final = 8
"""Of one person, that may report on a reply; their ids are the pages' own, and free to make."""


@dataclass(slots=True)
class _Listener:
    user: str
    clause: int
    began: float
    """When that clause began to sound, here."""


@dataclass(slots=True)
class Playing:
    """One reply."""

    reply_id: str
    clauses: list[ReplyClause] = field(default_factory=list)
    _arrived: list[float] = field(default_factory=list)
    _listeners: dict[str, _Listener] = field(default_factory=dict)

    def clause(self, clause: ReplyClause, now: float) -> None:
        self.clauses.append(clause)
        self._arrived.append(now)

    def heard(self, listener: str, user: str, clause: int, ms: int, now: float) -> None:
        """A report; devices of a user beyond DEVICES do not count."""
        own = sum(each.user == user for each in self._listeners.values())
        if listener not in self._listeners and own >= DEVICES:
            return
        self._listeners[listener] = _Listener(user, clause, now - ms / 1000)

    @property
    def has_player(self) -> bool:
        return bool(self._listeners)

    def ends_at(self) -> float:
        """When the last listener will have heard what there is so far; 0 before any clause."""
        return max((times[-1][1] for times in self._timetables() if times), default=0.0)

    def begins_at(self) -> float | None:
        """When the first clause began to sound; None before any."""
        return min((times[0][0] for times in self._timetables() if times), default=None)

    def position(self, user: str, now: float) -> tuple[int, int] | None:
        """(clause, ms) that this user's device is at, or that of whoever is furthest where this
        user has none; None where nobody plays it."""
        own = [each for each in self._listeners.values() if each.user == user]
        places = [self._place(each, now) for each in own or self._listeners.values()]
        return max(places, default=None)

    def sounded(self, start: float, end: float) -> list[ReplyClause]:
        """The clauses that were, or may have been, in the air between the two times."""
        near = {
            n
            for times in self._timetables()
            for n, (begins, ends) in enumerate(times)
            if begins - REACH_S <= end and ends + REACH_S >= start
        }
        return [self.clauses[n] for n in sorted(near)]

    def _place(self, listener: _Listener, now: float) -> tuple[int, int]:
        times = self._timetable(listener)
        for clause, (begins, ends) in zip(self.clauses, times, strict=True):
            if clause.index >= listener.clause and now < ends:
                return clause.index, max(0, round((now - begins) * 1000))
        return (len(self.clauses), 0)

    def _timetables(self) -> Sequence[list[tuple[float, float]]]:
        if self._listeners:
            return [self._timetable(each) for each in self._listeners.values()]
        return [self._expected()]

    def _timetable(self, listener: _Listener) -> list[tuple[float, float]]:
        """When each clause begins and ends at one listener."""
        lengths = [_length_s(clause) for clause in self.clauses]
        begins = listener.began - sum(lengths[: listener.clause])
        times = []
        for n, length in enumerate(lengths):
            if n > listener.clause:
                begins = max(begins, self._arrived[n])
            times.append((begins, begins + length))
            begins += length
        return times

    def _expected(self) -> list[tuple[float, float]]:
        times: list[tuple[float, float]] = []
        end = 0.0
        for clause, arrived in zip(self.clauses, self._arrived, strict=True):
            begins = max(arrived, end)
            end = begins + clause.duration_ms / 1000
            times.append((begins, end))
        return times


def _length_s(clause: ReplyClause) -> float:
    """How long a clause sounds; one that the browser's own voice speaks, by guess."""
    return clause.duration_ms / 1000 if clause.clip else len(clause.text) * _BROWSER_S


_BROWSER_S: Final = 0.12  # a character
