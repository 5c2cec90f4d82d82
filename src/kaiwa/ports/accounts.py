"""Who has an account, and which talks they may reach."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from kaiwa.domain.ids import InviteId, SessionId, TalkId, UserId
from kaiwa.domain.talk import Invite, Member, Role, Talk, TalkSettings, User
from kaiwa.policy.importing import Imported

MAX_INVITES = 50
"""Of one talk, at a time."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Of a session, in seconds: `idle` since its newest token, `longest` since it began."""

    idle: int
    longest: int


@dataclass(frozen=True, slots=True)
class Credentials:
    """What sign-in needs; `password_hash` None: no password was ever set."""

    user: User
    password_hash: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody's being signed in; `seen_at` is right to a quarter of an hour."""

    id: SessionId
    device: str
    began_at: datetime
    seen_at: datetime


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

    async def is_machine_owner(self, user: UserId) -> bool: ...

    async def credentials(self, name: str) -> Credentials | None: ...

    async def users(self) -> list[User]: ...

    async def set_password(
        self, user: UserId, password_hash: str, keep: SessionId | None = None
    ) -> None:
        """Ends every session of theirs but `keep`."""

    async def begin_session(
        self, user: UserId, lifetime_s: int, device: str, password_hash: str | None = None
    ) -> SessionId:
        """Raises NotSignedIn where `password_hash`, by which they came in, is theirs no more."""

    async def sessions(self, user: UserId) -> list[Session]:
        """Those of theirs that have not ended, the last used first."""

    async def session_user(self, session: SessionId) -> User | None:
        """Whose it is; None when it has ended."""

    async def use_session(
        self, session: SessionId, rotation: int, replace_after_s: float, lifetimes_s: Lifetimes
    ) -> tuple[User, int] | None:
        """Use token number `rotation`: whose it is, and the number of the token to hold from now
        on, by `policy.rotation`. None when the session has ended, or ends by this."""

    async def end_session(self, session: SessionId) -> None: ...

    async def end_session_of(self, user: UserId, session: SessionId) -> None:
        """Raises NotFound when it is not theirs."""

    async def end_sessions(self, user: UserId, keep: SessionId | None = None) -> None:
        """All of theirs but `keep`."""

    async def live_sessions(self, sessions: Collection[SessionId]) -> set[SessionId]:
        """Those that have not ended."""

    async def put_login_code(self, digest: bytes, user: UserId, lifetime_s: int) -> None: ...

    async def take_login_code(self, digest: bytes) -> User | None:
        """Whose code it is, once; None when unknown, used or too old."""


@dataclass(frozen=True, slots=True)
class Found:
    """An utterance or reply that a search found, as it stands now; `seq` is where it began."""

    talk: TalkId
    title: str
    seq: int
    id: str
    is_reply: bool
    name: str
    text: str
    at: datetime


class Talks(Protocol):
    """Talks as one user sees them. Raises DatabaseDown; NotFound for what is not theirs."""

    async def create(self, user: User, settings: TalkSettings, key: str | None) -> Talk:
        """The user becomes the owner. The same `key` again gives the same talk."""

    async def take_in(self, user: User, talk: Imported, key: str | None) -> Talk:
        """Make a talk of an export; the user becomes its owner, and its only member."""

    async def of(self, user: UserId) -> list[Talk]:
        """Newest activity first."""

    async def get(self, talk: TalkId, user: UserId) -> Talk: ...

    async def settings(self, talk: TalkId) -> TalkSettings:
        """For whoever runs this machine, a member or not."""

    async def update(self, talk: TalkId, user: UserId, changes: Mapping[str, Any]) -> Talk: ...

    async def archive(self, talk: TalkId, user: UserId, archived: bool) -> None:
        """Put the talk away, for this user alone, or take it out again. Raises NotFound."""

    async def delete(self, talk: TalkId, user: UserId) -> None:
        """What was said and its sound are erased; the seq numbers stay."""

    async def members(self, talk: TalkId) -> list[Member]: ...

    async def add_member(self, talk: TalkId, name: str, role: Role) -> Member:
        """Raises NotFound when nobody has that name."""

    async def remove_member(self, talk: TalkId, participant: UserId, by: UserId) -> None:
        """Somebody removed by another comes back by no invite that was made before. Raises
        Conflict for the last owner."""

    async def search(self, user: UserId, text: str, limit: int) -> list[Found]:
        """What contains the text in any talk of theirs, newest first; width, case and kana do not
        matter, and kana find what is read so, once it has been read."""


class Invites(Protocol):
    """Ways into talks, known by the digest of their links. Raises DatabaseDown."""

    async def create(self, talk: TalkId, digest: bytes, role: Role, lifetime_s: int) -> Invite:
        """Raises Conflict when there are MAX_INVITES, NotFound for no such talk."""

    async def of(self, talk: TalkId) -> list[Invite]:
        """Those that have not expired, oldest first."""

    async def revoke(self, talk: TalkId, invite: InviteId) -> None:
        """Raises NotFound."""

    async def accept(self, digest: bytes, user: User) -> TalkId:
        """Raises NotFound when it is unknown, revoked or expired, or made before the user was
        removed."""
