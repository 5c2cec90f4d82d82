"""Who came in, who was refused what, and from where; nothing that anybody typed."""

from __future__ import annotations

import structlog
from starlette.requests import HTTPConnection
from starlette.types import Scope

from kaiwa.web.asking import USER, services_of

log = structlog.get_logger()


def note(connection: HTTPConnection, event: str, **more: object) -> None:
    """One line; `user` is who is signed in, where `more` does not say otherwise."""
    scope = connection.scope
    known = {
        "method": scope.get("method", "WEBSOCKET"),
        "route": route_of(scope),
        "user": scope.get(USER),
        "address": services_of(connection).attempts.address(connection),
    }
    log.info(event, **(known | more))


def route_of(scope: Scope) -> str:
    """Its pattern: a path may hold anything."""
    return getattr(scope.get("route"), "path", "")
