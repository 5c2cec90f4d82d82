"""Invites in PostgreSQL; of a link only its digest is kept."""

from __future__ import annotations

from typing import Any

from kaiwa.adapters.postgres.database import Database, queries
from kaiwa.adapters.postgres.talks import join
from kaiwa.domain.ids import InviteId, TalkId, new_id
from kaiwa.domain.talk import Invite, Role, User
from kaiwa.errors import Conflict, NotFound
from kaiwa.ports.accounts import MAX_INVITES

_ORDER = [Role.LISTENER, Role.SPEAKER, Role.OWNER]


class PostgresInvites:
    """`ports.accounts.Invites`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, talk: TalkId, digest: bytes, role: Role, lifetime_s: int) -> Invite:
        async with self._database.transaction() as connection:
            _found(await queries.lock_talk(connection, talk=talk))
            await queries.drop_old_invites(connection, talk=talk)
            if await queries.count_invites(connection, talk=talk) >= MAX_INVITES:
                raise Conflict(f"a talk has at most {MAX_INVITES} invites; revoke some")
            row = await queries.insert_invite(
                connection,
                id=new_id(),
                digest=digest,
                talk=talk,
                role=role,
                lifetime=lifetime_s,
            )
        return _invite(row)

    async def of(self, talk: TalkId) -> list[Invite]:
        async with self._database.connection() as connection:
            return [_invite(row) async for row in queries.invites_of(connection, talk=talk)]

    async def revoke(self, talk: TalkId, invite: InviteId) -> None:
        async with self._database.connection() as connection:
            _found(await queries.delete_invite(connection, talk=talk, id=invite))

    async def accept(self, digest: bytes, user: User) -> TalkId:
        async with self._database.transaction() as connection:
            row = _found(await queries.invite_by_digest(connection, digest=digest, user=user.id))
            talk, role = TalkId(row["talk_id"]), Role(row["role"])
            _found(await queries.lock_talk(connection, talk=talk))
            # Again: it may have been revoked, or the user removed, before the talk was locked.
            _found(await queries.invite_by_digest(connection, digest=digest, user=user.id))
            now = await queries.role_of(connection, talk=talk, user=user.id)
            if now is None or _ORDER.index(Role(now)) < _ORDER.index(role):
                await join(connection, talk, user, role)
        return talk


def _found(value: Any) -> Any:
    if value is None:
        raise NotFound("there is no such invite, or it is over")
    return value


def _invite(row: Any) -> Invite:
    return Invite(id=row["id"], role=row["role"], expires_at=row["expires_at"])
