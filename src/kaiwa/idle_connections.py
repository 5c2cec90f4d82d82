"""Connections over TLS on which nothing is asked and nothing comes are closed.

The HTTP server waits for ever for the first word after the handshake, and between the requests of
HTTP/2. What a connection last carried, the kernel knows.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

_OPEN_FILES: Final = Path("/proc/self/fd")
_TCP_INFO: Final = struct.Struct("=44xI4xI4x")
"""The kernel's `tcp_info` up to `tcpi_last_data_sent` and `tcpi_last_data_recv`, in ms ago."""

Address = tuple[str, str]


class IdleConnections:
    """An application, and who is asking it something right now; `close` now and then.
    Other systems than Linux do not tell, and keep such connections.
    """

    def __init__(self, application: ASGIApp, port: int) -> None:
        self._application = application
        self._port = port
        self._asking: Counter[Address] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host, port = scope["client"]
        client = (host, str(port))
        self._asking[client] += 1
        try:
            await self._application(scope, receive, send)
        finally:
            self._asking[client] -= 1
            if not self._asking[client]:
                del self._asking[client]

    async def close(self, idle_ms: int) -> None:
        """Close what carried nothing for so long."""
        if sys.platform == "linux":
            await asyncio.to_thread(self._close, idle_ms, frozenset(self._asking))

    def _close(self, idle_ms: int, asking: frozenset[Address]) -> None:
        for file in _OPEN_FILES.iterdir():
            with suppress(OSError), _copy(int(file.name)) as connection:
                if self._is_idle(connection, idle_ms, asking):
                    connection.shutdown(socket.SHUT_RDWR)

    def _is_idle(self, connection: socket.socket, idle_ms: int, asking: frozenset[Address]) -> bool:
        """Raises OSError for a socket that is no TCP connection."""
        if connection.family not in (socket.AF_INET, socket.AF_INET6):
            return False
        if connection.getsockname()[1] != self._port:
            return False
        host, port = connection.getpeername()[:2]
        if (host, str(port)) in asking:
            return False
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        sent_ms, received_ms = _TCP_INFO.unpack(info)
        return bool(min(sent_ms, received_ms) >= idle_ms)


def _copy(number: int) -> socket.socket:
    """Of an open file, so that it stays what it is while we look. Raises OSError for no socket."""
    copy = os.dup(number)
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
