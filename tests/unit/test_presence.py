"""Who is here: people, not streams, and no message for each pair of a crowd."""

from __future__ import annotations

from kaiwa.domain.ids import TalkId, UserId
from kaiwa.domain.talk import User
from kaiwa.web.presence import CROWD, Presences

TALK = TalkId("talk")
MARI, KEN = User(id=UserId("mari"), name="まり"), User(id=UserId("ken"), name="Ken")


def test_who_comes_is_told_of_each_person_once() -> None:
    presences = Presences()
    assert presences.arrive(TALK, 1, MARI) == []
    assert presences.arrive(TALK, 2, MARI) == [MARI]
    assert presences.arrive(TALK, 3, KEN) == [MARI]


def test_a_person_leaves_with_the_last_stream() -> None:
    presences = Presences()
    for stream, user in enumerate((MARI, MARI, KEN)):
        presences.arrive(TALK, stream, user)
    assert not presences.leave(TALK, 0)
    assert presences.leave(TALK, 1)
    assert presences.leave(TALK, 2)


def test_one_stream_answers_for_all_and_none_for_a_crowd() -> None:
    presences = Presences()
    presences.arrive(TALK, 0, MARI)
    presences.arrive(TALK, 1, KEN)
    assert presences.answers(TALK, 0, "another") == [MARI, KEN]
    assert presences.answers(TALK, 1, "another") == []
    assert presences.answers(TALK, 0, presences.process) == []
    for stream in range(2, CROWD + 1):
        presences.arrive(TALK, stream, User(id=UserId(str(stream)), name="x"))
    assert presences.answers(TALK, 0, "another") == []
