"""How often somebody may try."""

from __future__ import annotations

from kaiwa.policy.throttle import BUCKETS, Throttle


def test_a_burst_then_one_at_a_time() -> None:
    throttle = Throttle(burst=3, refill_s=30)
    assert [throttle.take("mari", 0.0) for _ in range(4)] == [0, 0, 0, 30]
    assert throttle.take("mari", 29.0) == 1
    assert throttle.take("mari", 30.0) == 0
    assert throttle.take("mari", 30.0) == 30


def test_others_are_not_held_up() -> None:
    throttle = Throttle(burst=1, refill_s=30)
    throttle.take("mari", 0.0)
    assert sum(throttle.take(f"guest {n}", 0.0) == 0 for n in range(20)) >= 18  # buckets are shared


def test_a_try_that_was_none_is_given_back_and_never_more() -> None:
    throttle = Throttle(burst=1, refill_s=30)
    throttle.take("mari", 0.0)
    throttle.give_back("mari")
    throttle.give_back("mari")
    assert [throttle.take("mari", 0.0) for _ in range(2)] == [0, 30]


def test_any_number_of_names_takes_no_more_room() -> None:
    throttle = Throttle(burst=1, refill_s=30)
    for n in range(10 * BUCKETS):
        throttle.take(str(n), 0.0)
    assert len(throttle._left) == len(throttle._at) == BUCKETS
