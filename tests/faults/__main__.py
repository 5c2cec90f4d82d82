"""`python -m tests.faults [--seed N] [--minutes M]`: a busy site is broken in every way, from a
seed, for some minutes; nothing may be lost, told twice, or hang (see docs/operations.md)."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.faults.scene import play


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--minutes", type=float, default=5.0)
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.minutes} minutes", flush=True)
    folder = tempfile.mkdtemp(prefix="kaiwa-faults-")
    print(f"logs are in {folder}", flush=True)
    try:
        print(asyncio.run(play(given.seed, given.minutes * 60, Path(folder))))
    except* AssertionError as group:
        for error in _single(group):
            print(f"FAILED: {error}")
        sys.exit(1)


def _single(group: BaseExceptionGroup[AssertionError]) -> Iterator[AssertionError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _single(error)
        else:
            yield error


if __name__ == "__main__":
    main()
