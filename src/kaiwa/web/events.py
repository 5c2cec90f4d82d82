"""Events down: Server-Sent Events, for one talk or for several at once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Query
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kaiwa.domain.events import (
    MemberLeft,
    Presence,
    Recorded,
    ReplyPlayed,
    RollCall,
    TalkDeleted,
    TurnSignal,
)
from kaiwa.domain.ids import TalkId
from kaiwa.domain.talk import User
from kaiwa.errors import BadRequest, KaiwaError, NotFound
from kaiwa.pipeline.fan_out import Item, Ready, TooSlow
from kaiwa.pipeline.tasks import one_error
from kaiwa.web.asking import AskerSession, Asking, Readable
from kaiwa.web.services import Services
from kaiwa.web.sessions import SignedIn
from kaiwa.web.sse import message

router = APIRouter(tags=["events"])

HEARTBEAT_S: Final = 15.0
MAX_TALKS: Final = 100
SENDING: Final = 64  # messages on their way to the socket; behind them readers wait, then overflow
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
    services: Asking, found: AskerSession, after: Annotated[str, Query(max_length=8_000)]
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
    return EventStream(services, found, cursors, with_ids=False)


class EventStream(Response):
    """An endless response; it ends when the browser leaves or falls behind, when it has no talk
    left that it may read, when its session ends, and when the server stops."""

    media_type = "text/event-stream"

    def __init__(
        self, services: Services, found: SignedIn, cursors: Mapping[TalkId, int], *, with_ids: bool
    ) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._services = services
        self._user = found.user
        self._session = found.session
        self._cursors = cursors
        self._reading = len(cursors)
        self._with_ids = with_ids
        self._sending_since: float | None = None
        self._over = False
        self._messages: asyncio.Queue[bytes | None] = asyncio.Queue(SENDING)  # None: the end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await _chunk(send, f"retry: {RETRY_MS}\n\n".encode())
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send_all(send))
            others = [
                tasks.create_task(self._beat(sending)),
                tasks.create_task(self._end_on_disconnect(receive, sending)),
                tasks.create_task(self._end_on_closing(sending)),
                *(tasks.create_task(self._read(talk, n)) for talk, n in self._cursors.items()),
            ]
            self._services.listeners.add(self)
            try:
                with self._services.sessions.watching(self._session, sending.cancel):
                    await asyncio.wait([sending])
            finally:
                self._services.listeners.discard(self)
            for task in others:
                task.cancel()
        with contextlib.suppress(OSError):  # it may be gone, or not reading
            async with asyncio.timeout(STALLED_S):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        with contextlib.suppress(OSError):  # gone
            while not self._over:
                chunk = await self._next_chunk()
                self._sending_since = time.monotonic()
                await _chunk(send, chunk)
                self._sending_since = None

    async def _next_chunk(self) -> bytes:
        """All that waits to be sent."""
        message = await self._messages.get()
        messages = []
        while message is not None:
            messages.append(message)
            if self._messages.empty():
                return b"".join(messages)
            message = self._messages.get_nowait()
        self._over = True
        return b"".join(messages)

    async def _beat(self, sending: asyncio.Task[None]) -> None:
        """Say now and then that the stream is open; cut off a browser that takes nothing.

        One timer for a stream: a timeout around each message would cost as much as the message.
        """
        said_at = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            if self._sending_since is not None and now - self._sending_since > STALLED_S:
                sending.cancel()
            if now - said_at > HEARTBEAT_S and self._messages.empty():
                self._messages.put_nowait(b": still here\n\n")
                said_at = now

    async def _read(self, talk: TalkId, after: int) -> None:
        """Put a talk's events into the queue, until it or this user's part in it ends; the last
        of them ends the stream."""
        try:
            if not await _is_member(self._services, self._user, talk):
                raise NotFound("there is no such talk, or it is not yours")
            with one_error():
                async with self._services.fan_out.subscribe(talk, after) as items:
                    presences = self._services.presences
                    here = presences.arrive(talk, self, self._user)
                    await self._tell(talk, RollCall(process=presences.process))
                    await self._tell(talk, _presence(self._user, "here"))
                    try:
                        async for item in items:
                            if isinstance(item, RollCall):
                                for user in presences.answers(talk, self, item.process):
                                    await self._tell(talk, _presence(user, "here"))
                            elif self._is_farewell_of_mine(item):
                                await self._tell(talk, _presence(self._user, "here"))
                            if isinstance(item, ReplyPlayed | TurnSignal | RollCall):
                                continue  # between the processes of the site
                            await self._send(talk, item)
                            if isinstance(item, Ready):
                                for user in here:
                                    await self._send(talk, _presence(user, "here"))
                            if await self._ends(talk, item):
                                break
                    finally:
                        if presences.leave(talk, self):
                            await self._tell(talk, _presence(self._user, "gone"))
        except TooSlow:
            self._reading = 0  # cut off; the browser comes back with its cursors
        except KaiwaError as error:
            values = {"type": "error", "error": error.code, "talk": talk}
            await self._messages.put(message("error", values))
        self._reading -= 1
        if self._reading <= 0:
            await self._messages.put(None)

    async def _send(self, talk: TalkId, item: Item) -> None:
        await self._messages.put(self._services.messages.of(talk, item, with_id=self._with_ids))

    async def _ends(self, talk: TalkId, item: Item) -> bool:
        """Whether the talk, or this user's part in it, is over; one may have come back since, or
        have been removed before the listening began."""
        match item:
            case Ready():
                return not await _is_member(self._services, self._user, talk)
            case Recorded(event=MemberLeft(participant=who)) if who == self._user.id:
                return not await _is_member(self._services, self._user, talk)
            case Recorded(event=TalkDeleted()):
                return True
        return False

    def _is_farewell_of_mine(self, item: Item) -> bool:
        """Said for another device of this user: they are here still."""
        return (
            isinstance(item, Presence)
            and item.state == "gone"
            and item.participant == self._user.id
        )

    async def _tell(self, talk: TalkId, event: Presence | RollCall) -> None:
        try:
            await self._services.event_log.tell(talk, event)
        except KaiwaError:
            return  # presence is a courtesy

    async def _end_on_disconnect(self, receive: Receive, sending: asyncio.Task[None]) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        sending.cancel()

    async def _end_on_closing(self, sending: asyncio.Task[None]) -> None:
        await self._services.closing.wait()
        sending.cancel()  # a queue would make it wait for a browser that does not read


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


async def _chunk(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})
