"""Signing in and out."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from kaiwa.domain.talk import User, UserName
from kaiwa.errors import Forbidden, NotSignedIn
from kaiwa.web.asking import Asker, Asking
from kaiwa.web.security import (
    MAX_PASSWORD,
    TOKEN_LIFETIME_S,
    hash_password,
    login_code_digest,
    password_matches,
)
from kaiwa.web.services import Services

router = APIRouter(prefix="/auth", tags=["accounts"])


class NameAndPassword(BaseModel):
    name: UserName
    password: str = Field(max_length=MAX_PASSWORD)


class Code(BaseModel):
    code: str = Field(max_length=128)


class SignedIn(BaseModel):
    token: str
    user: User


@router.post("/register", status_code=201)
async def register(given: NameAndPassword, services: Asking, response: Response) -> SignedIn:
    if not services.registration:
        raise Forbidden("this server makes no accounts for strangers; ask its owner")
    password_hash = await asyncio.to_thread(hash_password, given.password)
    user = await services.accounts.register(given.name, password_hash)
    return _sign_in(services, user, response)


@router.post("/login")
async def login(given: NameAndPassword, services: Asking, response: Response) -> SignedIn:
    found = await services.accounts.credentials(given.name)
    known = None if found is None else found.password_hash
    matches = await asyncio.to_thread(password_matches, known, given.password)
    if found is None or not matches:
        raise NotSignedIn("the name or the password is wrong")
    return _sign_in(services, found.user, response)


@router.post("/code")
async def code(given: Code, services: Asking, response: Response) -> SignedIn:
    """Sign in with the one-time code that `kaiwa serve` opened the page with."""
    user = await services.accounts.take_login_code(login_code_digest(given.code))
    if user is None:
        raise NotSignedIn("this code was used, or is too old; start `kaiwa serve` again")
    return _sign_in(services, user, response)


@router.post("/logout", status_code=204)
async def logout(services: Asking, response: Response) -> None:
    response.delete_cookie(
        services.site.cookie_name,
        httponly=True,
        samesite="strict",
        secure=services.site.cookie_secure,
    )


@router.get("/me")
async def me(user: Asker) -> User:
    return user


def _sign_in(services: Services, user: User, response: Response) -> SignedIn:
    token = services.tokens.issue(user)
    response.set_cookie(
        services.site.cookie_name,
        token,
        max_age=TOKEN_LIFETIME_S,
        httponly=True,
        samesite="strict",
        secure=services.site.cookie_secure,
    )
    response.headers["cache-control"] = "no-store"
    return SignedIn(token=token, user=user)
