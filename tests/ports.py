"""Ports of loopback that nobody has."""

from __future__ import annotations

import random
import socket
from typing import Final

_PORTS: Final = iter(random.SystemRandom().sample(range(20_000, 30_000), 10_000))
"""Below what systems give to outgoing connections, so nobody comes between the look and the use."""


def free_port() -> int:
    """Another one each time."""
    return next(port for port in _PORTS if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
