"""Ports of loopback: one that nobody has, and one that somebody has come to."""

from __future__ import annotations

import asyncio
import random
import socket
from typing import Final

_PORTS: Final = iter(random.SystemRandom().sample(range(20_000, 30_000), 10_000))
"""Below what systems give to outgoing connections, so nobody comes between the look and the use."""


LISTENING_S: Final = 60.0  # generous: a server that takes longer never comes


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


async def until_listening(port: int) -> None:
    """Return when somebody does."""
    async with asyncio.timeout(LISTENING_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            writer.close()
            await writer.wait_closed()
            return
