"""Who is asking, and whether they may: the dependencies of every route."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request
from starlette.requests import HTTPConnection

from kaiwa.domain.ids import EventId, TalkId
from kaiwa.domain.talk import Role, Talk, User
from kaiwa.errors import BadRequest, Forbidden, NotSignedIn
from kaiwa.ports.clip_store import ClipFormat
from kaiwa.web.services import Services
from kaiwa.web.sessions import SignedIn

MAX_KEY = 128
COOKIES = "kaiwa.cookies"
"""The scope's list of Set-Cookie headers that the answer is to carry."""
USER = "kaiwa.user"
"""The id of the scope's user, once it is known."""


def services_of(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


async def signed_in(connection: HTTPConnection) -> SignedIn:
    """The user of a bearer token or of the cookie, which is replaced in time. Raises NotSignedIn,
    Forbidden (a cookie from another page)."""
    found = await _signed_in(services_of(connection), connection)
    connection.scope[USER] = found.user.id
    return found


async def _signed_in(services: Services, connection: HTTPConnection) -> SignedIn:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return await services.sessions.by_access(token.strip())
    cookie = connection.cookies.get(services.site.cookie_name)
    if cookie is None:
        raise NotSignedIn("sign in first")
    if connection.scope["type"] == "websocket":
        services.site.check_websocket_origin(connection.headers)
    else:
        services.site.check_origin(connection.scope["method"], connection.headers)
    found, next_cookie = await services.sessions.by_cookie(cookie)
    if next_cookie is not None:
        connection.scope[COOKIES].append(services.site.set_cookie(next_cookie))
    return found


def asking_services(request: Request) -> Services:
    return services_of(request)


async def asking_session(request: Request) -> SignedIn:
    return await signed_in(request)


AskerSession = Annotated[SignedIn, Depends(asking_session)]


def asking_user(found: AskerSession) -> User:
    return found.user


Asking = Annotated[Services, Depends(asking_services)]
Asker = Annotated[User, Depends(asking_user)]


async def open_talk(services: Services, user: User, talk_id: str, least: Role) -> Talk:
    """The talk, if the user is a member with at least that role. Raises NotFound, Forbidden."""
    talk = await services.talks.get(TalkId(talk_id), user.id)
    order = [Role.LISTENER, Role.SPEAKER, Role.OWNER]
    if order.index(talk.role) < order.index(least):
        raise Forbidden(f"only a {least} may do this, and you are a {talk.role} here")
    return talk


async def _readable(talk_id: str, services: Asking, user: Asker) -> Talk:
    return await open_talk(services, user, talk_id, Role.LISTENER)


async def _speakable(talk_id: str, services: Asking, user: Asker) -> Talk:
    return await open_talk(services, user, talk_id, Role.SPEAKER)


async def _ownable(talk_id: str, services: Asking, user: Asker) -> Talk:
    return await open_talk(services, user, talk_id, Role.OWNER)


Readable = Annotated[Talk, Depends(_readable)]
"""The talk of the path, for any member."""
Speakable = Annotated[Talk, Depends(_speakable)]
"""The talk of the path, for those who may speak in it."""
Ownable = Annotated[Talk, Depends(_ownable)]
"""The talk of the path, for its owners."""


def _sound_format(accept: Annotated[str, Header()] = "*/*") -> ClipFormat:
    asked = {part.partition(";")[0].strip() for part in accept.split(",")}
    return "audio/ogg" if "audio/ogg" in asked else "audio/wav"


SoundFormat = Annotated[ClipFormat, Depends(_sound_format)]
"""WAV, or Opus where `Accept` asks for it."""


def _idempotency_key(
    idempotency_key: Annotated[str | None, Header(max_length=MAX_KEY)] = None,
) -> str | None:
    if idempotency_key is not None and not idempotency_key.isprintable():
        raise BadRequest("an Idempotency-Key is printable text")
    return idempotency_key


IdempotencyKey = Annotated[str | None, Depends(_idempotency_key)]


def event_id(kind: str, user: User, key: str | None) -> EventId | None:
    """The id of the one event that a key of a user may make."""
    return None if key is None else EventId(f"{kind}-{user.id}-{key}")
