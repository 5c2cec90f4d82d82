"""The HTTP server under the application, and how many connections it holds."""

from __future__ import annotations

import gc
import os
import resource
import socket
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from kaiwa.idle_connections import IdleConnections
from kaiwa.pipeline.tasks import now_and_then

MAX_CONNECTIONS: Final = 12_000
"""Open at once in one process; later ones wait to be accepted until others close."""
SPARE_FILES: Final = 512
"""For the database, children, models and files."""
BACKLOG: Final = 1_024
HEAD_MS: Final = 30_000
"""How long a connection may take to send the head of a request, its first or its next."""


def http_server(
    application: Any, host: str, port: int, cert: Path | None = None, key: Path | None = None
) -> Any:
    """A server for the running event loop: `serve()` it, `stop()` it."""
    if ":" not in host:
        host = socket.gethostbyname(host)  # it knows no names
    kind: type[Server] = Server
    if cert is not None:
        kind, application = _TlsServer, IdleConnections(application, port)
    return kind(
        application,
        host,
        port,
        interface=Interfaces.ASGINL,
        # To tell the two versions apart it waits for a first word for ever, and without TLS no
        # browser speaks HTTP/2.
        http=HTTPModes.http1 if cert is None else HTTPModes.auto,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_MS),
        log_enabled=False,
        ssl_cert=cert,
        ssl_key=key,
        backlog=BACKLOG,
        backpressure=connection_limit(),  # by itself it would hold no more than its backlog
    )


class _TlsServer(Server):
    """One that closes also what shook hands and says nothing, a third of HEAD_MS late at most."""

    async def serve(self, *given: Any, **named: Any) -> None:
        connections: Any = self.target
        close = partial(connections.close, HEAD_MS)
        async with now_and_then(HEAD_MS / 3_000, close, "idle connections"):
            with suppress(TimeoutError):  # connections that nobody reads from; no group of it
                await super().serve(*given, **named)


def connection_limit() -> int:
    """How many connections this process can hold, once its limit of open files is raised as far
    as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, soft - SPARE_FILES))


def keep_pauses_short() -> None:
    """Have Python's garbage collector stop this process less often and for less long.

    As it is, a thousand streams make it look at every object every few seconds, and nobody is
    told anything for 0.1–0.2 s. What is there now is never looked at again; the young are in
    larger groups, and all of them a tenth as often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 5, 100)


def leave() -> NoReturn:
    """End this process, which is done. Threads of the server may still be closing connections;
    they would abort it when the interpreter ends under them."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
