"""Where a reply is at each listener, and what of it was in the air."""

from __future__ import annotations

import pytest

from kaiwa.domain.events import ReplyClause
from kaiwa.policy.playing import DEVICES, Playing


def playing(*clauses: tuple[float, str], ms: int = 1_000, clip: str | None = "c") -> Playing:
    """A reply whose clauses came at those times."""
    reply = Playing("r")
    for index, (at, text) in enumerate(clauses):
        duration = ms if clip else 0
        reply.clause(
            ReplyClause(
                reply_id="r",
                index=index,
                text=text,
                start=0,
                end=0,
                clip=clip,
                duration_ms=duration,
            ),
            at,
        )
    return reply


def test_without_reports_each_clause_follows_the_one_before_it() -> None:
    reply = playing((10.0, "一。"), (10.2, "二。"), (14.0, "三。"))
    assert (reply.begins_at(), reply.ends_at()) == (10.0, 15.0)
    assert reply.position("mari", 11.5) is None and not reply.has_player


@pytest.mark.parametrize(
    ("now", "position"),
    [(20.3, (0, 300)), (20.999, (0, 999)), (21.4, (1, 400)), (23.0, (3, 0)), (99.0, (3, 0))],
)
def test_a_report_places_its_listener_and_time_goes_on(
    now: float, position: tuple[int, int]
) -> None:
    reply = playing((10.0, "一。"), (10.2, "二。"), (10.4, "三。"))
    reply.heard("device", "mari", 0, 100, 20.1)
    assert reply.position("mari", now) == position


def test_who_has_no_device_is_where_the_furthest_is() -> None:
    reply = playing((10.0, "一。"), (10.2, "二。"))
    reply.heard("one", "mari", 0, 0, 20.0)
    reply.heard("two", "mari", 1, 0, 20.0)
    reply.heard("three", "ken", 0, 500, 20.0)
    assert reply.position("mari", 20.1) == (1, 100)
    assert reply.position("ken", 20.1) == (0, 600)
    assert reply.position("nobody", 20.1) == (1, 100)


def test_a_clause_that_came_late_begins_late() -> None:
    reply = playing((10.0, "一。"), (15.0, "二。"))
    reply.heard("device", "mari", 0, 0, 10.0)
    assert reply.ends_at() == 16.0 and reply.position("mari", 15.5) == (1, 500)


def test_the_browsers_own_voice_takes_its_time() -> None:
    reply = playing((10.0, "あ" * 50), (10.1, "い" * 50), clip=None)
    reply.heard("device", "mari", 0, 0, 10.0)
    assert reply.position("mari", 13.0) == (0, 3_000)


def texts(reply: Playing, start: float, end: float) -> str:
    return "".join(clause.text for clause in reply.sounded(start, end))


def test_what_sounded_near_a_time_is_known() -> None:
    reply = playing((10.0, "一。"), (10.0, "二。"), (10.0, "三。"), (10.0, "四。"), (10.0, "五。"))
    assert texts(reply, 10.1, 10.2) == "一。二。"
    assert texts(reply, 14.6, 15.0) == "四。五。"
    assert texts(reply, 20.0, 21.0) == ""


def test_a_person_has_so_many_devices_and_no_more() -> None:
    reply = playing((10.0, "一。"))
    for n in range(DEVICES * 2):
        reply.heard(f"device-{n}", "mari", 0, n, 10.0)
    reply.heard("other", "ken", 0, 500, 10.0)
    assert reply.position("mari", 10.0) == (0, DEVICES - 1)
    assert reply.position("ken", 10.0) == (0, 500)
