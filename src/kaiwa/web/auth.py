"""Signing in and out."""

from __future__ import annotations

import asyncio
from datetime import datetime

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from kaiwa.domain.ids import SessionId
from kaiwa.domain.talk import User, UserName
from kaiwa.errors import Forbidden, NotSignedIn
from kaiwa.ports.accounts import Credentials
from kaiwa.web.asking import COOKIES, Asker, AskerSession, Asking, signed_in
from kaiwa.web.devices import device_of
from kaiwa.web.passwords import MAX_PASSWORD, hash_password, password_matches
from kaiwa.web.security import ACCESS_LIFETIME_S, login_code_digest
from kaiwa.web.security_log import note
from kaiwa.web.services import Services
from kaiwa.web.sessions import Pair

router = APIRouter(prefix="/auth", tags=["accounts"])

MAX_TOKEN = 1_024


class NameAndPassword(BaseModel):
    name: UserName
    password: str = Field(max_length=MAX_PASSWORD)
    bearer: bool = Field(
        False, description="a program asks: a refresh token in the answer, and no cookie"
    )


class Code(BaseModel):
    code: str = Field(max_length=128)


class Refresh(BaseModel):
    refresh_token: str = Field(max_length=MAX_TOKEN)


class Passwords(BaseModel):
    old: str = Field("", max_length=MAX_PASSWORD, description="empty where none was ever set")
    new: str = Field(max_length=MAX_PASSWORD)


class SessionShown(BaseModel):
    """`device` is what signed in, such as "Firefox, Android"; `current`: it asks just now."""

    id: str
    device: str
    began_at: datetime
    seen_at: datetime
    current: bool


class SessionsShown(BaseModel):
    sessions: list[SessionShown]


class SignedInAnswer(BaseModel):
    """`token` is for `Authorization: Bearer`, for `expires_in` seconds."""

    token: str
    expires_in: int
    refresh_token: str | None = None
    user: User


@router.post("/register", status_code=201)
async def register(
    given: NameAndPassword, services: Asking, request: Request, response: Response
) -> SignedInAnswer:
    if not services.registration:
        raise Forbidden("this server makes no accounts for strangers; ask its owner")
    services.attempts.take_registration(request)
    password_hash = await asyncio.to_thread(hash_password, given.password, given.name)
    user = await services.accounts.register(given.name, password_hash)
    return await _sign_in(services, user, request, response, bearer=given.bearer)


@router.post("/login")
async def login(
    given: NameAndPassword, services: Asking, request: Request, response: Response
) -> SignedInAnswer:
    services.attempts.take(request, given.name)
    found = await _checked(services, request, given.name, given.password)
    if found is None:
        raise NotSignedIn("the name or the password is wrong")
    services.attempts.succeeded(request, given.name)
    return await _sign_in(
        services, found.user, request, response, found.password_hash, bearer=given.bearer
    )


@router.post("/code")
async def code(
    given: Code, services: Asking, request: Request, response: Response
) -> SignedInAnswer:
    """Sign in with the one-time code that `kaiwa serve` opened the page with."""
    services.attempts.take(request)
    user = await services.accounts.take_login_code(login_code_digest(given.code))
    if user is None:
        raise NotSignedIn("this code was used, or is too old; start `kaiwa serve` again")
    return await _sign_in(services, user, request, response)


@router.post("/refresh")
async def refresh(given: Refresh, services: Asking) -> SignedInAnswer:
    """A program's next pair of tokens. A refresh token works once: when a used one comes again,
    its session ends."""
    return _answer(await services.sessions.refresh(given.refresh_token), bearer=True)


@router.post("/password", status_code=204)
async def change_password(
    given: Passwords, services: Asking, found: AskerSession, request: Request
) -> None:
    """Change one's password; every other session of one's own ends."""
    services.attempts.take(request, found.user.name)
    known = await services.accounts.credentials(found.user.name)
    has_one = known is not None and known.password_hash is not None
    if has_one and await _checked(services, request, found.user.name, given.old) is None:
        raise Forbidden("the old password is wrong")
    password_hash = await asyncio.to_thread(hash_password, given.new, found.user.name)
    await services.accounts.set_password(found.user.id, password_hash, keep=found.session)
    services.attempts.succeeded(request, found.user.name)
    services.sessions.look()
    note(request, "password_changed")


@router.get("/sessions")
async def list_sessions(services: Asking, found: AskerSession) -> SessionsShown:
    """Where one is signed in."""
    sessions = await services.accounts.sessions(found.user.id)
    return SessionsShown(
        sessions=[
            SessionShown(
                id=session.id,
                device=session.device,
                began_at=session.began_at,
                seen_at=session.seen_at,
                current=session.id == found.session,
            )
            for session in sessions
        ]
    )


@router.delete("/sessions/{session_id}", status_code=204)
async def end_session(session_id: str, services: Asking, user: Asker, request: Request) -> None:
    """Sign out there."""
    await services.accounts.end_session_of(user.id, SessionId(session_id))
    services.sessions.look()
    note(request, "signed_out")


@router.delete("/sessions", status_code=204)
async def end_other_sessions(services: Asking, found: AskerSession, request: Request) -> None:
    """Sign out everywhere but here."""
    await services.accounts.end_sessions(found.user.id, keep=found.session)
    services.sessions.look()
    note(request, "signed_out")


@router.post("/logout", status_code=204)
async def logout(services: Asking, request: Request) -> None:
    """End this session, here and wherever its token was copied to."""
    try:
        found = await signed_in(request)
    except NotSignedIn:
        pass
    else:
        await services.sessions.end(found.session)
        note(request, "signed_out")
    request.scope[COOKIES][:] = [services.site.set_cookie("", 0)]


@router.get("/me")
async def me(user: Asker) -> User:
    return user


async def _checked(
    services: Services, request: Request, name: str, password: str
) -> Credentials | None:
    found = await services.accounts.credentials(name)
    known = None if found is None else found.password_hash
    if await asyncio.to_thread(password_matches, known, password) and found is not None:
        return found
    note(request, "password_wrong", account=None if found is None else found.user.id)
    return None


async def _sign_in(
    services: Services,
    user: User,
    request: Request,
    response: Response,
    password_hash: str | None = None,
    *,
    bearer: bool = False,
) -> SignedInAnswer:
    pair = await services.sessions.begin(user, device_of(request), password_hash)
    note(request, "signed_in", user=user.id)
    if not bearer:
        if before := request.cookies.get(services.site.cookie_name):
            await services.sessions.leave(before)
        response.headers.append("set-cookie", services.site.set_cookie(pair.refresh))
    return _answer(pair, bearer=bearer)


def _answer(pair: Pair, *, bearer: bool) -> SignedInAnswer:
    return SignedInAnswer(
        token=pair.access,
        expires_in=ACCESS_LIFETIME_S,
        refresh_token=pair.refresh if bearer else None,
        user=pair.user,
    )
