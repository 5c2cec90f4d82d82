"""Who has an account, and which talks they may reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kaiwa.domain.ids import TalkId, UserId
from kaiwa.domain.talk import Member, Role, Talk, TalkSettings, User


@dataclass(frozen=True, slots=True)
class Credentials:
    """What sign-in needs; `password_hash` None: no password was ever set."""

    user: User
    password_hash: str | None


class Accounts(Protocol):
    """Raises DatabaseDown."""

    async def signing_key(self) -> bytes:
        """The key every process signs tokens with; made on first use."""

    async def register(self, name: str, password_hash: str | None) -> User:
        """Raises Conflict when the name is taken."""

    async def machine_owner(self, name: str) -> User:
        """The account of whoever runs the servers of this database; made on first use.

        It gets that name, or one like it if somebody else has it.
        """

    async def credentials(self, name: str) -> Credentials | None: ...

    async def users(self) -> list[User]: ...

    async def set_password(self, user: UserId, password_hash: str) -> None: ...

    async def put_login_code(self, digest: bytes, user: UserId, lifetime_s: int) -> None: ...

    async def take_login_code(self, digest: bytes) -> User | None:
        """Whose code it is, once; None when unknown, used or too old."""


@dataclass(frozen=True, slots=True)
class Found:
    """An utterance or reply that a search found."""

    talk: TalkId
    title: str
    seq: int
    event: Mapping[str, Any]


class Talks(Protocol):
    """Talks as one user sees them. Raises DatabaseDown; NotFound for what is not theirs."""

    async def create(self, user: User, settings: TalkSettings, key: str | None) -> Talk:
        """The user becomes the owner. The same `key` again gives the same talk."""

    async def of(self, user: UserId) -> list[Talk]:
        """Newest activity first."""

    async def get(self, talk: TalkId, user: UserId) -> Talk: ...

    async def update(self, talk: TalkId, user: UserId, changes: Mapping[str, Any]) -> Talk: ...

    async def delete(self, talk: TalkId, user: UserId) -> None:
        """What was said and its sound are erased; the seq numbers stay."""

    async def members(self, talk: TalkId) -> list[Member]: ...

    async def add_member(self, talk: TalkId, name: str, role: Role) -> Member:
        """Raises NotFound when nobody has that name."""

    async def remove_member(self, talk: TalkId, participant: UserId) -> None:
        """Raises Conflict for the last owner."""

    async def search(self, user: UserId, text: str, limit: int) -> list[Found]: ...
