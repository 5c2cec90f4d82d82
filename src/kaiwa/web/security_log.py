"""Who came in, who was refused what, and from where; nothing that anybody typed."""

from __future__ import annotations

import structlog
from starlette.requests import HTTPConnection
from starlette.types import Scope

from kaiwa.web.asking import USER, services_of

log = structlog.get_logger()


def note(connection: HTTPConnection, event: str, **more: object) -> None:
    """One line; `user` is who is signed in, where `more` does not say otherwise."""
    _write(connection, event, services_of(connection).attempts.address(connection), more)


def note_refusal(connection: HTTPConnection, code: str) -> None:
    """One line, so many from an address (`web/attempts.py`)."""
    attempts = services_of(connection).attempts
    address = attempts.address(connection)
    if attempts.tell_refusal(address):
        _write(connection, "refused", address, {"code": code})


def _write(connection: HTTPConnection, event: str, address: str, more: dict[str, object]) -> None:
    scope = connection.scope
    known = {
        "method": scope.get("method", "WEBSOCKET"),
        "route": route_of(scope),
        "user": scope.get(USER),
        "address": address,
    }
    log.info(event, **(known | more))


def route_of(scope: Scope) -> str:
    """Its pattern: a path may hold anything."""
    return getattr(scope.get("route"), "path", "")
