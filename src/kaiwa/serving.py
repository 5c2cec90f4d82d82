"""`kaiwa serve`: the HTTP server, its certificate, the page's first sign-in, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import ipaddress
import os
import signal
import socket
import ssl
import sys
import webbrowser
from pathlib import Path
from typing import Any, Final

import structlog
from rich.console import Console

from kaiwa.app import running
from kaiwa.domain.talk import User
from kaiwa.errors import SetupError
from kaiwa.http_server import http_server, keep_pauses_short
from kaiwa.ports.accounts import Accounts
from kaiwa.settings import Settings
from kaiwa.tls import local_certificate
from kaiwa.web.application import create_application
from kaiwa.web.security import CODE_LIFETIME_S, Site, login_code_digest, new_login_code
from kaiwa.web.services import Services

DRAIN_S: Final = 8.0
"""How long uploads may take to store their last words; the pause rule and one decode fit twice."""
CLOSE_S: Final = 3
"""How long connections may take to close; a browser that stopped reading never would."""

log = structlog.get_logger()


async def serve(
    settings: Settings, *, tls: bool, cert: Path | None, key: Path | None, open_page: bool
) -> None:
    """Run until SIGTERM or SIGINT; call `check` first.

    Raises SetupError, also where listening ends by itself, AlreadyRunning, DatabaseDown.
    """
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    secure = tls or cert is not None
    names = (settings.host.lower(), *settings.allowed_hosts)
    if tls and cert is None:
        cert, key = await asyncio.to_thread(local_certificate, settings.data / "tls", names)
    site = Site(settings.port, secure, settings.behind_proxy, names)
    async with running(settings, site) as services:
        _check_port(settings)  # again: on a first start minutes have passed
        server = http_server(create_application(services), settings.host, settings.port, cert, key)
        keep_pauses_short()
        server.workers_kill_timeout = CLOSE_S
        owner = await services.accounts.machine_owner(getpass.getuser())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_end(stopping, services, server))
            serving = tasks.create_task(_serve(server, stopping))
            await _wait_until_listening(settings, serving)
            await _greet(settings, services, owner, secure=secure, open_page=open_page)
    if not serving.result():
        raise SetupError("the HTTP server ended by itself; start kaiwa again")


def check(settings: Settings, *, tls: bool, cert: Path | None, key: Path | None) -> None:
    """What can be known to be wrong before anything is fetched or started. Raises SetupError."""
    if (cert is None) != (key is None):
        raise SetupError("--cert and --key go together")
    for file in (cert, key):
        if file is not None and not file.is_file():
            raise SetupError(f"there is no file {file}")
    if cert is not None:
        _check_certificate(cert, key)
    _check_binding(settings, secure=tls or cert is not None)
    _check_port(settings)


async def _serve(server: Any, stopping: asyncio.Event) -> bool:
    """Whether it served until it was to stop; if not, everything else stops too."""
    with contextlib.suppress(TimeoutError):  # connections that nobody reads from
        await server.serve()
    asked = stopping.is_set()
    stopping.set()
    return asked


async def _end(stopping: asyncio.Event, services: Services, server: Any) -> None:
    """Let uploads store their last words and streams send theirs, then stop listening."""
    await stopping.wait()
    log.info("stopping")
    services.closing.set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            await services.captures.shut_down()
    await asyncio.sleep(0.2)  # the last bytes of streams that just ended
    server.stop()


async def _wait_until_listening(settings: Settings, serving: asyncio.Task[bool]) -> None:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "") else settings.host  # noqa: S104
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(host, settings.port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return


async def _greet(
    settings: Settings, services: Services, owner: User, *, secure: bool, open_page: bool
) -> None:
    """Say where the page is; on loopback, leave the owner's way in."""
    console = Console(stderr=True, highlight=False)
    url = settings.behind_proxy or _url(settings, secure=secure)
    console.print(f"kaiwa is at {url}", soft_wrap=True)
    if not _is_loopback(settings.host):
        return
    door = settings.data / "open.html"
    await _leave_door(door, url, services.accounts, owner)
    if open_page and _has_screen() and await asyncio.to_thread(webbrowser.open, door.as_uri()):
        return
    console.print(
        f"To come in as this machine's owner, open {door.as_uri()} in a browser within "
        f"{CODE_LIFETIME_S} s.",
        soft_wrap=True,
    )


def _has_screen() -> bool:
    """Where there is none, Python opens a browser in the terminal (w3m), which cannot show it."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform == "darwin" or any(os.environ.get(name) for name in screens)


async def _leave_door(door: Path, url: str, accounts: Accounts, owner: User) -> None:
    """A page that only this user can read, which carries a one-time code to the server's page.

    In a URL's fragment the code reaches neither a log nor a process list.
    """
    code = new_login_code()
    await accounts.put_login_code(login_code_digest(code), owner.id, CODE_LIFETIME_S)
    page = (
        '<!doctype html><meta charset="utf-8"><title>kaiwa</title>'
        f'<meta http-equiv="refresh" content="0; url={url}/#code={code}">'
        f'<p><a href="{url}/#code={code}">kaiwa</a></p>'
    )
    await asyncio.to_thread(_write_private, door, page)


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _check_certificate(cert: Path, key: Path | None) -> None:
    try:
        # The password is none: for a key that has one, OpenSSL would ask on the terminal.
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key, "")
    except OSError as error:
        raise SetupError(
            f"{cert} and {key} are no certificate and its key, in PEM without a password ({error})"
        ) from error


def _check_binding(settings: Settings, *, secure: bool) -> None:
    if not (secure or settings.behind_proxy or _is_loopback(settings.host)):
        raise SetupError(
            f"{settings.host} is reachable from other machines, and without TLS everybody on the "
            "way could listen in (and browsers give no microphone): add --tls, or --cert and "
            "--key, or --behind-proxy ORIGIN if a proxy speaks TLS for kaiwa"
        )


def _check_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise SetupError(
                f"cannot listen on {settings.host}:{settings.port} ({error.strerror}); "
                "choose another --host or --port"
            ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _url(settings: Settings, *, secure: bool) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    if host in ("0.0.0.0", "[::]"):  # noqa: S104
        host = socket.gethostname()
    return f"{'https' if secure else 'http'}://{host}:{settings.port}"
