"""What is written to standard error: structured, and without anybody's words.

An exception's own sentence may hold what somebody said (a value that pydantic refused, a parameter
that PostgreSQL did), so that of exceptions which are not kaiwa's only the kind and the place are
written.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final

import structlog
from structlog.typing import EventDict

from kaiwa.errors import KaiwaError

MAX_FRAMES: Final = 30


def to_stderr() -> None:
    """Lines for people on a terminal, JSON for machines; libraries' warnings too."""
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            without_words,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(handlers=[_Libraries(logging.WARNING)], force=True)


def without_words(logger: Any, method: str, event: EventDict) -> EventDict:
    """Writes `exc_info` as kinds and places."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["exception"] = "\n".join(_told(error))
    return event


class _Libraries(logging.Handler):
    """Other people's log records: their template without its values."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().warning(
            "library", library=record.name, says=str(record.msg).partition("\n")[0], exc_info=error
        )


def _told(error: BaseException) -> Iterator[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _told(cause)
        yield "which led to"
    yield from _frames(error.__traceback__)
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    yield f"{name}: {error.message}" if isinstance(error, KaiwaError) else name
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _told(part)


def _frames(trace: TracebackType | None) -> Iterator[str]:
    for frame in traceback.extract_tb(trace)[-MAX_FRAMES:]:
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
