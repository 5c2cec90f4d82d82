"""Sessions: who is signed in, on which device, for how long; ended from anywhere at any moment.

A program holds an access token of a few minutes and a refresh token; a browser's cookie is the
refresh token itself, which the server replaces as it is used, so that a page open for weeks never
asks. Every request asks the database whether its session is still there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Self

import structlog

from kaiwa.domain.ids import SessionId
from kaiwa.domain.talk import User
from kaiwa.errors import DatabaseDown, NotSignedIn
from kaiwa.pipeline.tasks import contained
from kaiwa.ports.accounts import Accounts, Lifetimes
from kaiwa.web.security import ACCESS_LIFETIME_S, LONGEST_SESSION_S, SESSION_LIFETIME_S, Tokens

COOKIE_REPLACED_S: Final = 15 * 60
"""How old a cookie grows before an answer brings the next one."""
LOOK_S: Final = 5.0
"""How long an open stream may outlast a session that another process ended."""
_LIFETIMES_S: Final = Lifetimes(SESSION_LIFETIME_S, LONGEST_SESSION_S)
_OVER: Final = "this session is over; sign in again"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A user and the session they are signed in by."""

    user: User
    session: SessionId


@dataclass(frozen=True, slots=True)
class Pair:
    """What a program gets: `access` for requests, `refresh` for the next pair."""

    user: User
    access: str
    refresh: str


class Sessions:
    """All sessions, and what they have open in this process; open it with `run`."""

    def __init__(self, accounts: Accounts, tokens: Tokens) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._open: dict[SessionId, list[Callable[[], object]]] = {}
        self._look_now = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def run(cls, accounts: Accounts) -> AsyncIterator[Self]:
        """For the length of the block, tell what is open when its session has ended."""
        sessions = cls(accounts, Tokens(await accounts.signing_key()))
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(sessions._look_around())
            try:
                yield sessions
            finally:
                looking.cancel()

    async def begin(self, user: User, device: str = "", password_hash: str | None = None) -> Pair:
        """Raises NotSignedIn where the password that matched this was changed meanwhile."""
        session = await self._accounts.begin_session(
            user.id, SESSION_LIFETIME_S, device, password_hash
        )
        return self._pair(user, session, 0)

    async def by_access(self, token: str) -> SignedIn:
        """Raises NotSignedIn."""
        session = self._tokens.read_access(token)
        user = await self._accounts.session_user(session)
        if user is None:
            raise NotSignedIn(_OVER)
        return SignedIn(user, session)

    async def by_cookie(self, token: str) -> tuple[SignedIn, str | None]:
        """Who it is, and the cookie that replaces this one, if it is time. Raises NotSignedIn."""
        session, rotation = self._tokens.read_refresh(token)
        user, newest = await self._use(session, rotation, COOKIE_REPLACED_S)
        again = None if newest == rotation else self._tokens.refresh(session, newest)
        return SignedIn(user, session), again

    async def refresh(self, token: str) -> Pair:
        """The next pair for a program. Raises NotSignedIn; a token that was used before ends its
        session."""
        session, rotation = self._tokens.read_refresh(token)
        user, newest = await self._use(session, rotation, 0.0)
        return self._pair(user, session, newest)

    async def leave(self, token: str) -> None:
        """End the session of a cookie, if it has one."""
        with suppress(NotSignedIn):
            await self.end(self._tokens.read_refresh(token)[0])

    async def end(self, session: SessionId) -> None:
        await self._accounts.end_session(session)
        self.look()

    def look(self) -> None:
        """Sessions were ended: tell what they have open in this process now."""
        self._look_now.set()

    @contextmanager
    def watching(self, session: SessionId, ended: Callable[[], object]) -> Iterator[None]:
        """Call `ended` when the session ends; it may be called more than once."""
        self._open.setdefault(session, []).append(ended)
        try:
            yield
        finally:
            self._open[session].remove(ended)
            if not self._open[session]:
                del self._open[session]

    async def _use(self, session: SessionId, rotation: int, after_s: float) -> tuple[User, int]:
        used = await self._accounts.use_session(session, rotation, after_s, _LIFETIMES_S)
        if used is None:
            raise NotSignedIn(_OVER)
        return used

    def _pair(self, user: User, session: SessionId, rotation: int) -> Pair:
        access = self._tokens.access(user, session, ACCESS_LIFETIME_S)
        return Pair(user, access, self._tokens.refresh(session, rotation))

    async def _look_around(self) -> None:
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._look_now.wait()
            except TimeoutError:
                pass
            self._look_now.clear()
            await contained(self._tell, "sessions")

    async def _tell(self) -> None:
        known = list(self._open)
        if not known:
            return
        try:
            live = await self._accounts.live_sessions(known)
        except DatabaseDown:
            return  # then they are as they were
        for session in set(known) - live:
            for ended in tuple(self._open.get(session, ())):
                ended()
