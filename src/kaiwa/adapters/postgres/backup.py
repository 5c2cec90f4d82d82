"""A database as one file, and back: PostgreSQL's own pg_dump and pg_restore."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit

from kaiwa.adapters.postgres.database import LOST
from kaiwa.adapters.postgres.embedded import binaries
from kaiwa.adapters.postgres.migrate import CHECK_S, connect
from kaiwa.errors import Conflict, DatabaseDown, NotFound, SetupError


def dump(url: str, file: Path) -> None:
    """Write the whole database, as of one moment, to a file that only this user can read.

    Raises Conflict when the file exists, SetupError with pg_dump's own words.
    """
    if file.exists():
        raise Conflict(f"{file} exists; choose another name")
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SetupError(f"{part} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as output:
            _run("pg_dump", url, "--format=custom", "--no-owner", "--no-acl", stdout=output)
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)


async def restore(url: str, file: Path) -> None:
    """Read a dump into an empty database; all of it, or nothing.

    Raises NotFound for no such file, Conflict for a database that holds something, DatabaseDown,
    SetupError with pg_restore's own words.
    """
    connection = await connect(url, CHECK_S)
    try:
        tables = await connection.fetchval(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        )
    except LOST as error:
        raise DatabaseDown(f"the database does not answer: {error}") from error
    finally:
        connection.terminate()
    if tables:
        raise Conflict("this database holds talks already; restore into another --data folder")
    options = ("--no-owner", "--no-acl", "--single-transaction", "--exit-on-error")
    await asyncio.to_thread(_read, url, file, options)


def _read(url: str, file: Path, options: Sequence[str]) -> None:
    if not file.is_file():
        raise NotFound(f"there is no file {file}")
    with file.open("rb") as source:
        _run("pg_restore", url, *options, stdin=source)


def _run(
    program: str,
    url: str,
    *options: str,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
) -> None:
    """The address goes in an argument, which others can read; the password in the environment."""
    address, password = _without_password(url)
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    done = subprocess.run(
        [_program(program), f"--dbname={address}", *options],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise SetupError(f"{program} failed: {words[0] if words else done.returncode}")


def _program(name: str) -> str:
    """The embedded PostgreSQL's, else the PATH's."""
    try:
        own = shutil.which(name, path=binaries())
    except SetupError:
        own = None
    found = own or shutil.which(name)
    if found is None:
        raise SetupError(f"there is no {name} here; install PostgreSQL's client programs")
    return found


def _without_password(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    if not parts.password:
        return url, ""
    user, _, host = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0]}@{host}"
    return urlunsplit(parts._replace(netloc=netloc)), unquote(parts.password)
