"""Talks in this process's memory; for tests and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kaiwa.adapters.memory.event_log import MemoryEventLog
from kaiwa.domain.events import MemberJoined, MemberLeft, TalkDeleted, TalkUpdated
from kaiwa.domain.ids import TalkId, UserId, new_id
from kaiwa.domain.talk import Member, Role, Talk, TalkSettings, User
from kaiwa.errors import Conflict, NotFound
from kaiwa.policy.importing import Imported
from kaiwa.policy.search import folded
from kaiwa.policy.transcript import lines
from kaiwa.ports.accounts import Found


class MemoryTalks:
    """`ports.accounts.Talks` over a MemoryEventLog; whom it may know is told by `add_user`."""

    def __init__(self, event_log: MemoryEventLog) -> None:
        self._log = event_log
        self._talks: dict[TalkId, Talk] = {}
        self._members: dict[TalkId, dict[UserId, Member]] = {}
        self._users: dict[str, User] = {}
        self._keys: dict[tuple[UserId, str], TalkId] = {}
        self._archived: set[tuple[TalkId, UserId]] = set()

    def add_user(self, user: User) -> None:
        """What `Accounts.register` does in PostgreSQL."""
        self._users[user.name.lower()] = user

    async def create(self, user: User, settings: TalkSettings, key: str | None) -> Talk:
        if key is not None and (user.id, key) in self._keys:
            return await self.get(self._keys[user.id, key], user.id)
        talk = Talk(
            **settings.model_dump(),
            id=TalkId(new_id()),
            created_at=datetime.now(UTC),
            seq=0,
            role=Role.OWNER,
        )
        self._log.add_talk(talk.id)
        self._talks[talk.id] = talk
        self._members[talk.id] = {}
        if key is not None:
            self._keys[user.id, key] = talk.id
        await self._join(talk.id, user, Role.OWNER)
        return await self.get(talk.id, user.id)

    async def take_in(self, user: User, talk: Imported, key: str | None) -> Talk:
        made = await self.create(user, talk.settings, key)
        for event in talk.events if made.seq == 1 else ():
            await self._log.append(made.id, event)
        return await self.get(made.id, user.id)

    async def of(self, user: UserId) -> list[Talk]:
        mine = [talk for talk, members in self._members.items() if user in members]
        return [await self.get(talk, user) for talk in reversed(mine)]

    async def get(self, talk: TalkId, user: UserId) -> Talk:
        head = await self._log.head(talk)
        member = self._members.get(talk, {}).get(user)
        if member is None:
            raise NotFound("there is no such talk, or it is not yours")
        away = (talk, user) in self._archived
        said = [] if self._talks[talk].title else lines(await self._log.read(talk, 0))
        first = next((line.text[:80] for line in said if not line.is_reply), "")
        seen = {"seq": head, "role": member.role, "archived": away, "first_words": first}
        return self._talks[talk].model_copy(update=seen)

    async def settings(self, talk: TalkId) -> TalkSettings:
        if talk not in self._talks:
            raise NotFound("there is no such talk, or it is not yours")
        return self._talks[talk]

    async def update(self, talk: TalkId, user: UserId, changes: Mapping[str, Any]) -> Talk:
        before = await self.get(talk, user)
        changed = {n: v for n, v in changes.items() if str(v) != str(getattr(before, n))}
        if changed:
            self._talks[talk] = Talk.model_validate(before.model_dump() | changed)
            told = {n: v if isinstance(v, bool) else str(v) for n, v in changed.items()}
            self._log.recording[talk] = self._talks[talk].recording
            await self._log.append(talk, TalkUpdated(by=user, settings=told))
        return await self.get(talk, user)

    async def archive(self, talk: TalkId, user: UserId, archived: bool) -> None:
        await self.get(talk, user)
        (self._archived.add if archived else self._archived.discard)((talk, user))

    async def delete(self, talk: TalkId, user: UserId) -> None:
        await self._log.append(talk, TalkDeleted(by=user))
        self._log.forget_talk(talk)
        del self._talks[talk], self._members[talk]

    async def members(self, talk: TalkId) -> list[Member]:
        return list(self._members.get(talk, {}).values())

    async def add_member(self, talk: TalkId, name: str, role: Role) -> Member:
        user = self._users.get(name.lower())
        if user is None:
            raise NotFound(f"nobody here is called {name}")
        if role is not Role.OWNER:
            self._keep_an_owner(talk, user.id)
        return await self._join(talk, user, role)

    async def remove_member(self, talk: TalkId, participant: UserId, by: UserId) -> None:
        self._keep_an_owner(talk, participant)
        if self._members[talk].pop(participant, None) is None:
            raise NotFound("there is no such talk, or it is not yours")
        await self._log.append(talk, MemberLeft(participant=participant))

    async def search(self, user: UserId, text: str, limit: int) -> list[Found]:
        plain = folded(text)
        found = []
        for talk in await self.of(user):
            events = await self._log.read(talk.id, 0)
            began = {getattr(r.event, "utterance_id", ""): r.seq for r in reversed(events)}
            found += [
                Found(
                    talk=talk.id,
                    title=talk.title,
                    seq=began.get(line.id, 0),
                    id=line.id,
                    is_reply=line.is_reply,
                    name=line.name,
                    text=line.text,
                    at=line.at,
                )
                for line in lines(events)
                if plain and plain in folded(line.text)
            ]
        return sorted(found, key=lambda hit: hit.at, reverse=True)[:limit]

    async def _join(self, talk: TalkId, user: User, role: Role) -> Member:
        member = Member(participant=user.id, name=user.name, role=role)
        self._members[talk][user.id] = member
        joined = MemberJoined(participant=user.id, name=user.name, role=role)
        await self._log.append(talk, joined)
        return member

    def _keep_an_owner(self, talk: TalkId, leaving: UserId) -> None:
        members = self._members.get(talk, {}).values()
        if [m.participant for m in members if m.role is Role.OWNER] == [leaving]:
            raise Conflict("a talk keeps at least one owner")
