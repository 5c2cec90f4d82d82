"""Accounts in PostgreSQL."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Collection
from typing import Any

import structlog

from kaiwa.adapters.postgres.database import Connection, Database, queries
from kaiwa.domain.ids import SessionId, UserId, new_id
from kaiwa.domain.talk import User
from kaiwa.errors import Conflict, NotFound, NotSignedIn
from kaiwa.policy.rotation import Standing, Verdict, judge
from kaiwa.ports.accounts import Credentials, Lifetimes, Session

_KEY_BYTES = 32

log = structlog.get_logger()


class PostgresAccounts:
    """`ports.accounts.Accounts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def signing_key(self) -> bytes:
        fresh = secrets.token_bytes(_KEY_BYTES)
        async with self._database.connection() as connection:
            return bytes(await queries.signing_key(connection, fresh=fresh))

    async def register(self, name: str, password_hash: str | None) -> User:
        async with self._database.connection() as connection:
            row = await queries.insert_user(
                connection, id=new_id(), name=name, password_hash=password_hash
            )
        if row is None:
            raise Conflict(f"the name {name} is taken")
        return _user(row)

    async def machine_owner(self, name: str) -> User:
        async with self._database.transaction() as connection:
            row = await queries.machine_owner(connection)
            if row is None:
                row = await queries.insert_owner(connection, id=new_id(), name=name)
            if row is None:
                other = f"{name}@{socket.gethostname()}"
                row = await queries.insert_owner(connection, id=new_id(), name=other)
        if row is None:
            raise Conflict(f"{name} and {other} are somebody else's names")
        return _user(row)

    async def is_machine_owner(self, user: UserId) -> bool:
        async with self._database.connection() as connection:
            row = await queries.machine_owner(connection)
        return row is not None and row["id"] == user

    async def credentials(self, name: str) -> Credentials | None:
        async with self._database.connection() as connection:
            row = await queries.user_by_name(connection, name=name)
        return None if row is None else Credentials(_user(row), row["password_hash"])

    async def users(self) -> list[User]:
        async with self._database.connection() as connection:
            return [_user(row) async for row in queries.all_users(connection)]

    async def set_password(
        self, user: UserId, password_hash: str, keep: SessionId | None = None
    ) -> None:
        async with self._database.transaction() as connection:
            await queries.set_password(connection, id=user, password_hash=password_hash)
            await queries.end_sessions(connection, user=user, keep=keep or "")

    async def begin_session(
        self, user: UserId, lifetime_s: int, device: str, password_hash: str | None = None
    ) -> SessionId:
        async with self._database.connection() as connection:
            session = await queries.insert_session(
                connection,
                id=new_id(),
                user=user,
                lifetime=lifetime_s,
                device=device,
                password_hash=password_hash,
            )
        if session is None:
            raise NotSignedIn("the password was changed just now; sign in with the new one")
        return SessionId(session)

    async def sessions(self, user: UserId) -> list[Session]:
        async with self._database.connection() as connection:
            return [Session(**row) async for row in queries.sessions_of(connection, user=user)]

    async def session_user(self, session: SessionId) -> User | None:
        async with self._database.connection() as connection:
            row = await queries.session(connection, id=session)
        return None if row is None else _user(row)

    async def use_session(
        self, session: SessionId, rotation: int, replace_after_s: float, lifetimes_s: Lifetimes
    ) -> tuple[User, int] | None:
        async with self._database.connection() as connection:
            row = await queries.session(connection, id=session)
        if row is None:
            return None
        verdict = judge(rotation, _standing(row), replace_after_s)
        if verdict is Verdict.GOOD and row["used_ago"] is not None:
            return _user(row), rotation
        async with self._database.transaction() as connection:
            if await queries.lock_session(connection, id=session) is None:
                return None
            row = await queries.session(connection, id=session)
            if row is None:
                return None
            return await _use(connection, row, session, rotation, replace_after_s, lifetimes_s)

    async def end_session(self, session: SessionId) -> None:
        async with self._database.connection() as connection:
            await queries.end_session(connection, id=session)

    async def end_session_of(self, user: UserId, session: SessionId) -> None:
        async with self._database.connection() as connection:
            if await queries.end_session_of(connection, user=user, id=session) is None:
                raise NotFound("there is no such session, or it is not yours")

    async def end_sessions(self, user: UserId, keep: SessionId | None = None) -> None:
        async with self._database.connection() as connection:
            await queries.end_sessions(connection, user=user, keep=keep or "")

    async def live_sessions(self, sessions: Collection[SessionId]) -> set[SessionId]:
        async with self._database.connection() as connection:
            rows = queries.live_sessions(connection, ids=list(sessions))
            return {SessionId(row["id"]) async for row in rows}

    async def put_login_code(self, digest: bytes, user: UserId, lifetime_s: int) -> None:
        async with self._database.connection() as connection:
            await queries.put_login_code(connection, digest=digest, user=user, lifetime=lifetime_s)

    async def take_login_code(self, digest: bytes) -> User | None:
        async with self._database.connection() as connection:
            row = await queries.take_login_code(connection, digest=digest)
        return None if row is None else _user(row)


async def _use(
    connection: Connection,
    row: Any,
    session: SessionId,
    rotation: int,
    replace_after_s: float,
    lifetimes_s: Lifetimes,
) -> tuple[User, int] | None:
    newest: int = row["rotation"]
    match judge(rotation, _standing(row), replace_after_s):
        case Verdict.GOOD:
            await queries.session_used(connection, id=session)
        case Verdict.REPLACE:
            newest += 1
            await queries.replace_token(
                connection, id=session, lifetime=lifetimes_s.idle, longest=lifetimes_s.longest
            )
        case Verdict.REUSED:
            log.warning("session_token_reused", user=row["id"])
            await queries.end_session(connection, id=session)
            return None
    return _user(row), newest


def _standing(row: Any) -> Standing:
    return Standing(row["rotation"], row["issued_ago"], row["used_ago"])


def _user(row: Any) -> User:
    return User(id=UserId(row["id"]), name=row["name"])
