"""What people see while weights come."""

from __future__ import annotations

import io

from rich.console import Console

from kaiwa.models.progress import BarProgress, LineProgress, progress_for


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_a_line_comes_every_five_seconds() -> None:
    out, clock = io.StringIO(), Clock()
    progress = LineProgress(out, clock)

    progress.start("tiny", 100_000_000)
    for _ in range(12):
        clock.now += 1
        progress.advance(5_000_000)
    progress.finish()

    assert out.getvalue().splitlines() == [
        "tiny: 100.0 MB to fetch",
        "tiny: 25.0 MB of 100.0 MB (25 %), 5.0 MB/s, 15 s left",
        "tiny: 50.0 MB of 100.0 MB (50 %), 5.0 MB/s, 10 s left",
        "tiny: fetched 60.0 MB in 12.0 s",
    ]


def test_a_resumed_pull_counts_what_is_here_but_not_for_its_speed() -> None:
    out, clock = io.StringIO(), Clock()
    progress = LineProgress(out, clock)

    progress.start("tiny", 100_000_000, already=50_000_000)
    clock.now += 5
    progress.advance(10_000_000)

    assert out.getvalue().splitlines() == [
        "tiny: 100.0 MB to fetch, 50.0 MB of it already here",
        "tiny: 60.0 MB of 100.0 MB (60 %), 2.0 MB/s, 20 s left",
    ]


def test_a_source_that_brought_nothing_ends_in_silence() -> None:
    out = io.StringIO()
    progress = LineProgress(out, Clock())

    progress.start("tiny", 1000)
    progress.finish()

    assert out.getvalue() == "tiny: 1.0 kB to fetch\n"


def test_a_terminal_gets_a_bar_with_name_and_bytes() -> None:
    out = io.StringIO()
    progress = BarProgress(Console(file=out, force_terminal=True, width=100))

    progress.note("tiny: from [the wheels]")
    progress.start("tiny", 2_000_000, already=500_000)
    progress.advance(1_000_000)
    progress.finish()

    assert "tiny: from [the wheels]" in out.getvalue()
    assert "1.5/2.0 MB" in out.getvalue()


def test_the_kind_of_progress_follows_the_stream() -> None:
    assert isinstance(progress_for(io.StringIO()), LineProgress)
