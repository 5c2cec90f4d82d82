"""Events down: Server-Sent Events, for one talk or for several at once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kaiwa.domain.events import (
    MemberLeft,
    Presence,
    Recorded,
    RollCall,
    TalkDeleted,
)
from kaiwa.domain.ids import TalkId
from kaiwa.domain.talk import User
from kaiwa.errors import BadRequest, KaiwaError, NotFound
from kaiwa.pipeline.fan_out import Group, Item, Ready, TooSlow
from kaiwa.pipeline.tasks import one_error
from kaiwa.web.asking import AskerSession, Asking, Readable
from kaiwa.web.security_log import note_refusal
from kaiwa.web.services import Services
from kaiwa.web.sessions import SignedIn
from kaiwa.web.sse import message

router = APIRouter(tags=["events"])

HEARTBEAT_S: Final = 15.0
MAX_TALKS: Final = 100
RETRY_MS: Final = 1_000
LOOK_S: Final = 2.5
STALLED_S: Final = 20.0  # a browser that takes nothing for so long is cut off, and resumes

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "the talk's events"}
}


@router.get("/talks/{talk_id}/stream", response_class=Response, responses=_STREAM)
async def stream_talk(
    talk: Readable,
    services: Asking,
    found: AskerSession,
    after: Annotated[int, Query(ge=0)] = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    if last_event_id is not None and _is_seq(last_event_id):
        after = int(last_event_id)
    return EventStream(services, found, {talk.id: after}, with_ids=True)


@router.get("/stream", response_class=Response, responses=_STREAM)
async def stream_talks(
    services: Asking,
    found: AskerSession,
    request: Request,
    after: Annotated[str, Query(max_length=8_000)],
) -> Response:
    """`after` is TALK:SEQ,TALK:SEQ,…; a talk that is not there gets an `error` of its own, and
    ends none of the others."""
    cursors: dict[TalkId, int] = {}
    for part in after.split(","):
        talk, _, seq = part.partition(":")
        if not _is_seq(seq):
            raise BadRequest("after is TALK:SEQ, several joined by commas")
        cursors[TalkId(talk)] = int(seq)
    if len(cursors) > MAX_TALKS:
        raise BadRequest(f"at most {MAX_TALKS} talks at once")
    missing = [talk for talk in cursors if not await _is_member(services, found.user, talk)]
    if len(missing) == len(cursors):
        raise NotFound("there are no such talks, or they are not yours")
    if missing:
        note_refusal(request, NotFound.code)
    return EventStream(services, found, cursors, with_ids=False)


class EventStream(Response):
    """An endless response; it ends when the browser leaves or falls behind, when it has no talk
    left that it may read, when its session ends, and when the server stops."""

    media_type = "text/event-stream"

    def __init__(
        self, services: Services, found: SignedIn, cursors: Mapping[TalkId, int], *, with_ids: bool
    ) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._services = services
        self._user = found.user
        self._session = found.session
        self._cursors = cursors
        self._reading = len(cursors)
        self._with_ids = with_ids
        self._send: Send
        self._sending = asyncio.Lock()  # talks take turns
        self._sending_since: float | None = None
        self._over = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._send = send
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await self._write(f"retry: {RETRY_MS}\n\n".encode())
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._beat()),
                group.create_task(self._end_on_disconnect(receive)),
                group.create_task(self._end_on_closing()),
                *(group.create_task(self._read(talk, n)) for talk, n in self._cursors.items()),
            ]
            self._services.listeners.add(self)
            try:
                with self._services.sessions.watching(self._session, self._over.set):
                    await self._over.wait()
            finally:
                self._services.listeners.discard(self)
            for task in tasks:
                task.cancel()
        with contextlib.suppress(OSError):  # it may be gone, or not reading
            async with asyncio.timeout(STALLED_S):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, data: bytes) -> None:
        async with self._sending:
            self._sending_since = time.monotonic()
            try:
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
            except OSError:  # gone
                self._over.set()
            self._sending_since = None

    async def _beat(self) -> None:
        """Say now and then that the stream is open; cut off a browser that takes nothing.

        One timer for a stream: a timeout around each message would cost as much as the message.
        """
        said_at = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            if self._sending_since is not None and now - self._sending_since > STALLED_S:
                self._over.set()
            if now - said_at > HEARTBEAT_S and not self._sending.locked():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._write(b": still here\n\n")
                said_at = now

    async def _read(self, talk: TalkId, after: int) -> None:
        """Send a talk's events, until it or this user's part in it ends; the last of the talks
        ends the stream."""
        try:
            if not await _is_member(self._services, self._user, talk):
                raise NotFound("there is no such talk, or it is not yours")
            with one_error():
                async with self._services.fan_out.subscribe(talk, after) as groups:
                    await self._send_on(talk, groups)
        except TooSlow:
            self._reading = 0  # cut off; the browser comes back with its cursors
        except KaiwaError as error:
            values = {"type": "error", "error": error.code, "talk": talk}
            await self._write(message("error", values))
        self._reading -= 1
        if self._reading <= 0:
            self._over.set()

    async def _send_on(self, talk: TalkId, groups: AsyncIterator[Group]) -> None:
        presences = self._services.presences
        here = presences.arrive(talk, self, self._user)
        try:
            await self._tell(talk, RollCall(process=presences.process))
            await self._tell(talk, _presence(self._user, "here"))
            async for group in groups:
                for part in self._parts(group):
                    await self._write_all(talk, part)
                    if isinstance(part[-1], Ready):
                        await self._write_all(talk, tuple(_presence(user, "here") for user in here))
                    if await self._ends(talk, part[-1]):
                        return
        finally:
            if presences.leave(talk, self):
                await self._tell(talk, _presence(self._user, "gone"))

    def _parts(self, group: Group) -> Iterator[Group]:
        """The group, cut behind each item that this stream does more about than send it."""
        begin = 0
        for end, item in enumerate(group, 1):
            if self._concerns_me(item):
                yield group[begin:end]
                begin = end
        if begin < len(group):
            yield group[begin:]

    def _concerns_me(self, item: Item) -> bool:
        if isinstance(item, Recorded):
            event = item.event
            mine = isinstance(event, MemberLeft) and event.participant == self._user.id
            return mine or isinstance(event, TalkDeleted)
        if isinstance(item, Presence):  # said for another device of this user
            return item.state == "gone" and item.participant == self._user.id
        if isinstance(item, RollCall):
            return item.process != self._services.presences.process
        return isinstance(item, Ready)

    async def _write_all(self, talk: TalkId, group: Group) -> None:
        if data := self._services.messages.of(talk, group, with_ids=self._with_ids):
            await self._write(data)

    async def _ends(self, talk: TalkId, item: Item) -> bool:
        """Do what an item asks for besides; whether the talk, or this user's part in it, is over.

        One may have come back since, or have been removed before the listening began.
        """
        if not self._concerns_me(item):
            return False
        match item:
            case Presence():
                await self._tell(talk, _presence(self._user, "here"))  # they are here still
            case RollCall(process=process):
                for user in self._services.presences.answers(talk, self, process):
                    await self._tell(talk, _presence(user, "here"))
            case Recorded(event=TalkDeleted()):
                return True
            case _:
                return not await _is_member(self._services, self._user, talk)
        return False

    async def _tell(self, talk: TalkId, event: Presence | RollCall) -> None:
        try:
            await self._services.event_log.tell(talk, event)
        except KaiwaError:
            return  # presence is a courtesy

    async def _end_on_disconnect(self, receive: Receive) -> None:
        with contextlib.suppress(HTTPException):  # a body that is too long, or does not come
            while (await receive())["type"] != "http.disconnect":
                pass
        self._over.set()

    async def _end_on_closing(self) -> None:
        await self._services.closing.wait()
        self._over.set()


def _presence(user: User, state: Literal["here", "gone"]) -> Presence:
    return Presence(participant=user.id, name=user.name, state=state)


async def _is_member(services: Services, user: User, talk: TalkId) -> bool:
    try:
        await services.talks.get(talk, user.id)
    except NotFound:
        return False
    return True


def _is_seq(text: str) -> bool:
    return text.isdecimal() and len(text) <= 18  # a bigint has 19
