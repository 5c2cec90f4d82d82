"""Accounts in PostgreSQL."""

from __future__ import annotations

import secrets
import socket
from typing import Any

from kaiwa.adapters.postgres.database import Database, queries
from kaiwa.domain.ids import UserId, new_id
from kaiwa.domain.talk import User
from kaiwa.errors import Conflict
from kaiwa.ports.accounts import Credentials

_KEY_BYTES = 32


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

    async def credentials(self, name: str) -> Credentials | None:
        async with self._database.connection() as connection:
            row = await queries.user_by_name(connection, name=name)
        return None if row is None else Credentials(_user(row), row["password_hash"])

    async def users(self) -> list[User]:
        async with self._database.connection() as connection:
            return [_user(row) async for row in queries.all_users(connection)]

    async def set_password(self, user: UserId, password_hash: str) -> None:
        async with self._database.connection() as connection:
            await queries.set_password(connection, id=user, password_hash=password_hash)

    async def put_login_code(self, digest: bytes, user: UserId, lifetime_s: int) -> None:
        async with self._database.connection() as connection:
            await queries.put_login_code(connection, digest=digest, user=user, lifetime=lifetime_s)

    async def take_login_code(self, digest: bytes) -> User | None:
        async with self._database.connection() as connection:
            row = await queries.take_login_code(connection, digest=digest)
        return None if row is None else _user(row)


def _user(row: Any) -> User:
    return User(id=UserId(row["id"]), name=row["name"])
