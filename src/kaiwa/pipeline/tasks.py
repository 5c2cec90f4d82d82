"""What task groups raise, as the one error that matters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kaiwa.errors import KaiwaError


@contextmanager
def one_error() -> Iterator[None]:
    """Turn an exception group that holds errors of ours into the first of them.

    A group that holds anything else is a fault of the program and goes on as it is.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        ours, rest = group.split(KaiwaError)
        if ours is None or rest is not None:
            raise
        raise _first(ours) from group


def _first(group: BaseExceptionGroup[KaiwaError]) -> KaiwaError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
