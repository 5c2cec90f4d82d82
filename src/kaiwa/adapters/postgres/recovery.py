"""Whether a PostgreSQL that does not serve yet is still getting there.

PostgreSQL 18 may wait for ever when it recovers on a full disk. A checkpointer that fails before
the postmaster has seen the recovery begin is not taken for a crash but replaced, and the startup
process waits for the checkpoint that it asked the first one for.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import psutil

STUCK_S: Final = 20.0
"""How long a recovery may do nothing at all; the slowest disk lets it do something."""
_STARTUP: Final = "postgres: startup"
_AT_WORK: Final = (_STARTUP, "postgres: checkpointer", "postgres: io worker")

Work = frozenset[tuple[int, float]]


class Recovery:
    """Of one server, looked at now and then."""

    def __init__(self) -> None:
        self._work: Work | None = None
        self._since = 0.0

    def is_stuck(self, postmaster: int, now: float) -> bool:
        """Whether it recovers, and has done nothing for STUCK_S."""
        work = _work(postmaster)
        if work is None or work != self._work:
            self._work, self._since = work, now
        return now - self._since > STUCK_S


def _work(postmaster: int) -> Work | None:
    """What each process that recovers has done, in seconds of CPU; None when none recovers, or
    one waits for the disk."""
    done = {}
    try:
        children = psutil.Process(postmaster).children()
    except psutil.NoSuchProcess:
        return None
    for child in children:
        with suppress(psutil.NoSuchProcess):
            title = " ".join(child.cmdline())
            if child.status() == psutil.STATUS_DISK_SLEEP:
                return None
            if title.startswith(_AT_WORK):
                spent = child.cpu_times()
                done[title, child.pid] = spent.user + spent.system
    if not any(title.startswith(_STARTUP) for title, _ in done):
        return None
    return frozenset((pid, spent) for (_, pid), spent in done.items())
