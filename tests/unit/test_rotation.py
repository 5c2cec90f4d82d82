"""Which of a session's tokens are good."""

from __future__ import annotations

import pytest

from kaiwa.policy.rotation import GRACE_S, Standing, Verdict, judge

AFTER = 900.0


@pytest.mark.parametrize(
    ("presented", "newest", "verdict"),
    [
        (3, Standing(3, 10.0, 5.0), Verdict.GOOD),
        (3, Standing(3, 10.0, None), Verdict.GOOD),
        (3, Standing(3, AFTER, 5.0), Verdict.REPLACE),
        (2, Standing(3, 5_000.0, None), Verdict.REPEAT),
        (2, Standing(3, 10.0, GRACE_S - 1), Verdict.REPEAT),
        (2, Standing(3, 100.0, GRACE_S), Verdict.REUSED),
        (1, Standing(3, 10.0, None), Verdict.REUSED),
        (4, Standing(3, 10.0, None), Verdict.REUSED),
    ],
    ids=[
        *("newest", "first use", "old", "its answer was lost", "still on the way"),
        *("copied", "long gone", "never made"),
    ],
)
def test_the_newest_token_is_good_and_an_old_one_ends_the_session(
    presented: int, newest: Standing, verdict: Verdict
) -> None:
    assert judge(presented, newest, AFTER) is verdict
