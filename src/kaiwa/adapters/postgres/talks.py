"""Talks and their members in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kaiwa.adapters.postgres import lines
from kaiwa.adapters.postgres.database import Connection, Database, queries
from kaiwa.adapters.postgres.event_log import append_in
from kaiwa.domain.events import (
    Durable,
    MemberJoined,
    MemberLeft,
    Recorded,
    TalkDeleted,
    TalkUpdated,
    encode,
)
from kaiwa.domain.ids import TalkId, UserId, new_id
from kaiwa.domain.talk import Member, Role, Talk, TalkSettings, User
from kaiwa.errors import Conflict, NotFound
from kaiwa.policy.importing import Imported
from kaiwa.policy.search import as_written, by_sound
from kaiwa.ports.accounts import Found

_SETTINGS: Final = tuple(TalkSettings.model_fields)
BATCH: Final = 2_000
"""Rows that are stored at a time: one command with all of an import would take too long."""
NEWEST: Final = 2_000
"""Lines a search looks at before it asks the index; bench/search.py."""


class PostgresTalks:
    """`ports.accounts.Talks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, user: User, settings: TalkSettings, key: str | None) -> Talk:
        async with self._database.transaction() as connection:
            talk = await queries.insert_talk(
                connection,
                id=new_id(),
                user=user.id,
                key=key,
                **settings.model_dump(mode="json"),
            )
            if talk is None:
                talk = await queries.talk_by_key(connection, user=user.id, key=key)
            else:
                await join(connection, TalkId(talk), user, Role.OWNER)
            return await _talk_for(connection, TalkId(talk), user.id)

    async def take_in(self, user: User, talk: Imported, key: str | None) -> Talk:
        new = TalkId(new_id())
        events, said = await asyncio.to_thread(_rows, new, talk.events)  # takes seconds
        async with self._database.transaction() as connection:
            made = await queries.insert_talk(
                connection,
                id=new,
                user=user.id,
                key=key,
                **talk.settings.model_dump(mode="json"),
            )
            if made is None:
                made = await queries.talk_by_key(connection, user=user.id, key=key)
                return await _talk_for(connection, TalkId(made), user.id)
            await join(connection, new, user, Role.OWNER)
            for begin in range(0, len(events), BATCH):
                await queries.insert_events(connection, events[begin : begin + BATCH])
            await queries.began(connection, talk=new, at=talk.created_at, seq=1 + len(events))
            for begin in range(0, len(said), BATCH):
                await queries.put_lines(connection, said[begin : begin + BATCH])
            return await _talk_for(connection, new, user.id)

    async def of(self, user: UserId) -> list[Talk]:
        async with self._database.connection() as connection:
            return [_talk(row) async for row in queries.talks_of(connection, user=user)]

    async def get(self, talk: TalkId, user: UserId) -> Talk:
        async with self._database.connection() as connection:
            return await _talk_for(connection, talk, user)

    async def settings(self, talk: TalkId) -> TalkSettings:
        async with self._database.connection() as connection:
            row = _found(await queries.settings_of(connection, talk=talk))
        return TalkSettings.model_validate({name: row[name] for name in _SETTINGS})

    async def update(self, talk: TalkId, user: UserId, changes: Mapping[str, Any]) -> Talk:
        async with self._database.transaction() as connection:
            await queries.lock_talk(connection, talk=talk)
            before = await _talk_for(connection, talk, user)
            merged = {name: getattr(before, name) for name in _SETTINGS} | dict(changes)
            settings = TalkSettings.model_validate(merged).model_dump(mode="json")
            changed = {
                name: value if isinstance(value, bool) else str(value)
                for name, value in settings.items()
                if str(value) != str(getattr(before, name))
            }
            if changed:
                await queries.update_talk(connection, talk=talk, **settings)
                await append_in(connection, talk, TalkUpdated(by=user, settings=changed))
            return await _talk_for(connection, talk, user)

    async def archive(self, talk: TalkId, user: UserId, archived: bool) -> None:
        async with self._database.connection() as connection:
            _found(await queries.archive_talk(connection, talk=talk, user=user, archived=archived))

    async def delete(self, talk: TalkId, user: UserId) -> None:
        async with self._database.transaction() as connection:
            await append_in(connection, talk, TalkDeleted(by=user))
            await queries.forget_events(connection, talk=talk)
            await queries.forget_clips(connection, talk=talk)
            await queries.forget_recordings(connection, talk=talk)
            await queries.forget_lines(connection, talk=talk)
            await queries.keep_summaries(connection, talk=talk, digests=[])
            await queries.forget_replies(connection, talk=talk)
            await queries.forget_invites(connection, talk=talk)
            await queries.forget_talk(connection, talk=talk)

    async def members(self, talk: TalkId) -> list[Member]:
        async with self._database.connection() as connection:
            return await _members(connection, talk)

    async def add_member(self, talk: TalkId, name: str, role: Role) -> Member:
        async with self._database.transaction() as connection:
            await queries.lock_talk(connection, talk=talk)
            row = await queries.user_by_name(connection, name=name)
            if row is None:
                raise NotFound(f"nobody here is called {name}")
            user = User(id=UserId(row["id"]), name=row["name"])
            if role is not Role.OWNER:
                await _keep_an_owner(connection, talk, user.id)
            return await join(connection, talk, user, role)

    async def remove_member(self, talk: TalkId, participant: UserId, by: UserId) -> None:
        async with self._database.transaction() as connection:
            await queries.lock_talk(connection, talk=talk)
            await _keep_an_owner(connection, talk, participant)
            _found(await queries.delete_member(connection, talk=talk, user=participant))
            if by != participant:
                await queries.put_removal(connection, talk=talk, user=participant)
            await append_in(connection, talk, MemberLeft(participant=participant))

    async def search(self, user: UserId, text: str, limit: int) -> list[Found]:
        written, sound = as_written(text), by_sound(text)
        if not written.pieces:
            return []
        given = {
            "user": user,
            "written": written.pattern,
            "sound": sound and sound.pattern,
            "at_most": limit,
        }
        async with self._database.connection() as connection:
            rows = queries.search_newest(connection, newest=NEWEST, **given)
            found = [_hit(row) async for row in rows]
            if len(found) < limit:
                sounds = sound and sound.pieces
                rows = queries.search(connection, pieces=written.pieces, sounds=sounds, **given)
                found = [_hit(row) async for row in rows]
        return found


Rows = list[dict[str, Any]]


def _rows(talk: TalkId, events: Sequence[Durable]) -> tuple[Rows, Rows]:
    """Of the log, which begins with a member, and of what it says."""
    log = [Recorded(seq=n, event=event) for n, event in enumerate(events, start=2)]
    stored = [
        {"talk": talk, "seq": r.seq, "event_id": new_id(), "payload": encode(r.event)} for r in log
    ]
    return stored, lines.rows(talk, log)


async def join(connection: Connection, talk: TalkId, user: User, role: Role) -> Member:
    await queries.put_member(connection, talk=talk, user=user.id, role=role)
    joined = MemberJoined(participant=user.id, name=user.name, role=role)
    await append_in(connection, talk, joined)
    return Member(participant=user.id, name=user.name, role=role)


async def _members(connection: Connection, talk: TalkId) -> list[Member]:
    return [
        Member(participant=UserId(row["id"]), name=row["name"], role=Role(row["role"]))
        async for row in queries.members_of(connection, talk=talk)
    ]


async def _keep_an_owner(connection: Connection, talk: TalkId, leaving: UserId) -> None:
    owners = [m.participant for m in await _members(connection, talk) if m.role is Role.OWNER]
    if owners == [leaving]:
        raise Conflict("a talk keeps at least one owner")


async def _talk_for(connection: Connection, talk: TalkId, user: UserId) -> Talk:
    return _talk(_found(await queries.talk_for(connection, talk=talk, user=user)))


def _found(row: Any) -> Any:
    if row is None:
        raise NotFound("there is no such talk, or it is not yours")
    return row


def _hit(row: Any) -> Found:
    return Found(
        talk=TalkId(row["talk_id"]),
        title=row["title"],
        seq=row["seq"],
        id=row["id"],
        is_reply=row["reply"],
        name=row["name"],
        text=row["text"],
        at=row["at"],
    )


def _talk(row: Any) -> Talk:
    names = (*_SETTINGS, "id", "created_at", "seq", "role", "archived")
    first_words = row["first_words"] or ""
    return Talk.model_validate({name: row[name] for name in names} | {"first_words": first_words})
