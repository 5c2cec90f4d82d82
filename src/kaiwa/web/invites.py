"""Links that let people into a talk."""

from __future__ import annotations

import hashlib
import secrets
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from kaiwa.domain.ids import InviteId
from kaiwa.domain.talk import Invite, Role, Talk
from kaiwa.web.asking import Asker, Asking, Ownable

router = APIRouter(tags=["talks"])


class NewInvite(BaseModel):
    role: Literal["speaker", "listener"] = "speaker"
    hours: int = Field(168, ge=1, le=720, description="how long it may be used")


class InviteLink(Invite):
    """Told once: the server keeps only a digest of the code."""

    code: str
    link: str


class Invites(BaseModel):
    invites: list[Invite]


class Accept(BaseModel):
    code: str = Field(min_length=1, max_length=128)


@router.post("/talks/{talk_id}/invites", status_code=201)
async def invite(
    talk: Ownable, services: Asking, request: Request, given: NewInvite | None = None
) -> InviteLink:
    """A link for anybody with an account here, until it expires or is revoked."""
    wanted = given or NewInvite()
    code = secrets.token_urlsafe(24)
    made = await services.invites.create(
        talk.id, _digest(code), Role(wanted.role), wanted.hours * 3600
    )
    # In a fragment, the code reaches no server's log.
    link = f"{services.site.origin(request.headers)}/#invite={code}"
    return InviteLink(**made.model_dump(), code=code, link=link)


@router.get("/talks/{talk_id}/invites")
async def list_invites(talk: Ownable, services: Asking) -> Invites:
    """Those that may still be used."""
    return Invites(invites=await services.invites.of(talk.id))


@router.delete("/talks/{talk_id}/invites/{invite_id}", status_code=204)
async def revoke_invite(talk: Ownable, invite_id: str, services: Asking) -> None:
    await services.invites.revoke(talk.id, InviteId(invite_id))


@router.post("/invites/accept")
async def accept_invite(given: Accept, services: Asking, user: Asker) -> Talk:
    """Become a member. Who was removed after the invite was made needs a new one; nobody's role
    gets less."""
    talk = await services.invites.accept(_digest(given.code), user)
    return await services.talks.get(talk, user.id)


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "replace")).digest()
