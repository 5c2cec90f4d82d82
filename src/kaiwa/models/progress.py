"""How a pull tells people how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as RichProgress

from kaiwa.models.source import human_bytes

LINE_EVERY_S = 5.0  # where there is no terminal: a log grows by this, not by every chunk


class Progress(Protocol):
    """Told by the store; one `start` … `finish` for each source that is tried."""

    def start(self, model: str, total_bytes: int, already: int = 0) -> None:
        """A download of `total_bytes` begins, of which an earlier try left `already`."""

    def advance(self, count: int) -> None:
        """So many more bytes; negative when some had to be thrown away, 0 as a sign of life."""

    def note(self, text: str) -> None:
        """A sentence for people; also outside of `start` … `finish`."""

    def finish(self) -> None:
        """The download is over, whether it went well or not."""


class SilentProgress:
    """For tests, and for callers who do not look."""

    def start(self, model: str, total_bytes: int, already: int = 0) -> None: ...

    def advance(self, count: int) -> None: ...

    def note(self, text: str) -> None: ...

    def finish(self) -> None: ...


class BarProgress:
    """A bar on a terminal: model, bytes, speed, time left."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar: RichProgress | None = None
        self._task = TaskID(0)

    def start(self, model: str, total_bytes: int, already: int = 0) -> None:
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task(model, total=total_bytes, completed=already)
        self._bar.start()

    def advance(self, count: int) -> None:
        if self._bar is not None:
            self._bar.advance(self._task, count)

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def finish(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class LineProgress:
    """Plain lines for logs and pipes."""

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._model = ""
        self._total = self._done = self._came = 0
        self._started = self._told = 0.0

    def start(self, model: str, total_bytes: int, already: int = 0) -> None:
        self._model, self._total, self._done, self._came = model, total_bytes, already, 0
        self._started = self._told = self._clock()
        here = f", {human_bytes(already)} of it already here" if already else ""
        self.note(f"{model}: {human_bytes(total_bytes)} to fetch{here}")

    def advance(self, count: int) -> None:
        self._done += count
        self._came += count
        now = self._clock()
        if now - self._told >= LINE_EVERY_S:
            self._told = now
            self.note(self._line(now - self._started))

    def note(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def finish(self) -> None:
        took = self._clock() - self._started
        if self._came:
            self.note(f"{self._model}: fetched {human_bytes(self._came)} in {took:.1f} s")

    def _line(self, elapsed: float) -> str:
        speed = max(self._came, 0) / elapsed
        left = f", {(self._total - self._done) / speed:.0f} s left" if speed else ""
        return (
            f"{self._model}: {human_bytes(self._done)} of {human_bytes(self._total)}"
            f" ({100 * self._done // max(self._total, 1)} %), {human_bytes(speed)}/s{left}"
        )


def progress_for(stream: TextIO | None = None) -> Progress:
    """A bar where `stream` (standard error by default) is a terminal, lines where it is not."""
    stream = stream or sys.stderr
    return BarProgress(Console(file=stream)) if stream.isatty() else LineProgress(stream)
