"""Who is here, as far as the streams of this process know."""

from __future__ import annotations

from typing import Final

from kaiwa.domain.ids import TalkId, UserId, new_id
from kaiwa.domain.talk import User

CROWD: Final = 50
"""Of more people than this nobody is told one by one: it would be a message for each pair."""


class Presences:
    """The streams that read each talk, and whose they are."""

    def __init__(self) -> None:
        self.process = new_id()
        self._streams: dict[TalkId, dict[object, User]] = {}

    def arrive(self, talk: TalkId, stream: object, user: User) -> list[User]:
        """Returns who is here already, a few of a crowd."""
        streams = self._streams.setdefault(talk, {})
        here = _people(streams)
        streams[stream] = user
        return list(here.values())[:CROWD]

    def leave(self, talk: TalkId, stream: object) -> bool:
        """Whether this was the last stream of its user."""
        streams = self._streams[talk]
        user = streams.pop(stream)
        if not streams:
            del self._streams[talk]
        return all(other.id != user.id for other in streams.values())

    def answers(self, talk: TalkId, stream: object, process: str) -> list[User]:
        """Whom this stream is to tell of when another process calls the roll: one stream answers
        for all."""
        if process == self.process:
            return []
        streams = self._streams.get(talk, {})
        here = _people(streams)
        if next(iter(streams), None) is not stream or len(here) > CROWD:
            return []
        return list(here.values())


def _people(streams: dict[object, User]) -> dict[UserId, User]:
    return {user.id: user for user in streams.values()}
