"""The captures that are live in this process, and how each of them ends.

| how the upload ends            | what is still open                              |
|--------------------------------|-------------------------------------------------|
| its body ends                  | stored                                          |
| the connection breaks, L16     | left RESUME_S for the resume, then stored       |
| the connection breaks, else    | stored                                          |
| the same capture reconnects    | goes on; after another process had it: dropped, |
|                                | the newer connection sends it                   |
| a newer capture takes over     | stored                                          |
| its sender may not speak here  | dropped: they are out at once                   |
| SIGTERM, L16                   | dropped; the page sends it to the next process  |
| SIGTERM, else                  | stored                                          |

The request that opens a capture hears it to its end; those that resume it hand over their sound and
wait for their answers. So nothing is heard twice, and words that take longer to recognise than any
connection lasts are recognised all the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import structlog

from kaiwa.domain.audio import Container, Samples, samples_to_ms
from kaiwa.domain.events import UtteranceFinal
from kaiwa.domain.ids import CaptureId, TalkId, UserId
from kaiwa.domain.talk import Talk, User
from kaiwa.errors import (
    Conflict,
    Forbidden,
    KaiwaError,
    OffsetConflict,
    ShuttingDown,
    TakenOver,
    TooManyStreams,
    Unavailable,
)
from kaiwa.pipeline.ingest import BrokenOff, Limits, ingest
from kaiwa.pipeline.listen import Ears, Listening
from kaiwa.ports.decoder import Decoder
from kaiwa.ports.event_log import Capture

RESUME_S: Final = 10.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of an upload."""

    capture: CaptureId
    duration_ms: int
    utterances: tuple[UtteranceFinal, ...]


class _Stop(Enum):
    RECONNECTED = auto()
    TAKEN_OVER = auto()
    NOT_ALLOWED = auto()
    SHUTDOWN = auto()


def _future() -> asyncio.Future[Heard | KaiwaError]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False, slots=True)
class _Connection:
    """One upload of a capture: where its body begins, and where the capture stood then."""

    body: AsyncIterator[bytes]
    offset: int
    stood: Capture
    _answer: asyncio.Future[Heard | KaiwaError] = field(default_factory=_future)

    def tell(self, answer: Heard | KaiwaError) -> None:
        """The first answer counts."""
        if not self._answer.done():
            self._answer.set_result(answer)

    async def heard(self) -> Heard:
        """What it was told, or raises it."""
        answer = await self._answer
        if isinstance(answer, KaiwaError):
            raise answer
        return answer


@dataclass(eq=False, slots=True)
class _Live:
    """A capture that this process hears; `stop` is set at most once."""

    capture: CaptureId
    talk: TalkId
    user: UserId
    stop: _Stop | None = None
    epoch: int = 0
    """That it writes with; 0 while no connection can take it up."""
    connections: deque[_Connection] = field(default_factory=deque)
    """The one that is heard, and the newest; one that came in between is told so and forgotten."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: asyncio.Timeout | None = None

    @property
    def goes_on(self) -> bool:
        """Whether there is a newer connection to hear."""
        return self.stop is None and len(self.connections) > 1

    def end(self, why: _Stop) -> None:
        self.stop = self.stop or why
        self._wake()

    async def carry_on(self, connection: _Connection) -> Heard:
        """Have the capture heard from a newer connection, to that one's end."""
        while len(self.connections) > 1:
            self.connections.pop().tell(_replaced())
        self.connections.append(connection)
        self._wake()
        return await connection.heard()

    def tell(self, answer: Heard | KaiwaError) -> None:
        """Answer all who wait."""
        for connection in self.connections:
            connection.tell(answer)

    async def wanted(self, blocks: AsyncIterator[Samples]) -> AsyncIterator[Samples]:
        """A connection's sound to its end; raises why no more of it is wanted. Only the wait for
        sound is broken off: a block that came is heard whole."""
        while True:
            self._check()
            try:
                async with asyncio.timeout(None) as self._waiting:
                    block = await anext(blocks)
            except StopAsyncIteration:
                return
            except TimeoutError:
                self._check()
                raise
            finally:
                self._waiting = None
            yield block

    def _wake(self) -> None:
        self.changed.set()
        if self._waiting is not None and self._waiting.when() is None:
            self._waiting.reschedule(0)

    def _check(self) -> None:
        if self.stop is _Stop.SHUTDOWN:
            raise _stopping()
        if self.stop is _Stop.NOT_ALLOWED:
            raise Forbidden("you may not speak here any more")
        if self.stop is not None or self.goes_on:
            raise _replaced()


class Captures:
    """Receives uploads; one object per process."""

    def __init__(self, *, ears: Ears, decoder: Decoder, limits: Limits, per_user: int) -> None:
        self._ears = ears
        self._decoder = decoder
        self._limits = limits
        self._per_user = per_user
        self._live: set[_Live] = set()
        self._closing = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def going_on(self) -> int:
        """How many uploads there are."""
        return len(self._live)

    async def shut_down(self) -> None:
        """End every upload, each in its way, and take no new ones; returns when all have ended."""
        self._closing = True
        for live in self._live:
            live.end(_Stop.SHUTDOWN)
        await self._idle.wait()

    def end(self, talk: TalkId, user: UserId) -> None:
        """End somebody's uploads to a talk that they may not speak in any more."""
        for live in self._live:
            if (live.talk, live.user) == (talk, user):
                live.end(_Stop.NOT_ALLOWED)

    async def receive(
        self,
        talk: Talk,
        user: User,
        capture_id: CaptureId,
        container: Container,
        offset: int,
        body: AsyncIterator[bytes],
    ) -> Heard:
        """Hear an upload to its end.

        `body` raises BrokenOff when its connection goes away. `offset` is where the body begins in
        the capture, in samples: what was heard already is skipped. Raises OffsetConflict,
        Conflict, TakenOver, ShuttingDown, TooManyStreams, and what `ingest` and recognition raise;
        what was recognised before is stored.
        """
        self._check_open()
        older = self._same(talk.id, user.id, capture_id) if container is Container.L16 else None
        if older is not None and older.epoch:
            stands = await self._ears.event_log.capture(talk.id, capture_id)
            if older.epoch == stands.epoch:
                _check_offset(offset, stands)
                return await older.carry_on(_Connection(body, offset, stands))
        if older is not None:
            await self._until_over(older)
            self._check_open()
        with self._admit(talk.id, user, capture_id) as live:
            capture = await self._open(talk, user, capture_id, container, offset)
            connection = _Connection(body, offset, capture)
            live.connections.append(connection)
            try:
                live.tell(await self._hear(live, talk, user, container, capture))
            except KaiwaError as failure:
                live.tell(failure)
            except BaseException:
                live.tell(Unavailable("this upload was not heard to its end; connect again"))
                raise
            return await connection.heard()

    async def _open(
        self, talk: Talk, user: User, capture_id: CaptureId, container: Container, offset: int
    ) -> Capture:
        capture = await self._ears.event_log.open_capture(talk.id, user.id, capture_id)
        if container is not Container.L16 and (offset or capture.offset):
            raise Conflict("only an L16 capture can be resumed; start a new capture")
        _check_offset(offset, capture)
        return capture

    async def _hear(
        self, live: _Live, talk: Talk, user: User, container: Container, opened: Capture
    ) -> Heard:
        """Hear a capture to its end; returns what its last connection is told, or raises it."""
        resumable = container is Container.L16
        async with Listening.open(self._ears, talk, user, opened) as listening:
            live.epoch = opened.epoch if resumable else 0
            try:
                error = await self._hear_connections(live, container, listening)
            finally:
                live.epoch = 0
            dropped = live.stop in (_Stop.RECONNECTED, _Stop.NOT_ALLOWED)
            if dropped or (live.stop is _Stop.SHUTDOWN and resumable):
                await listening.leave_open()
            else:
                await listening.flush()
        log.info(
            "capture_ended",
            talk=talk.id,
            capture=live.capture,
            utterances=len(listening.utterances),
            error=None if error is None else error.code,
            stop=None if live.stop is None else live.stop.name,
        )
        if error is not None:
            raise error
        stood = live.connections[0].stood
        heard = samples_to_ms(listening.position - stood.offset)
        said = listening.utterances[stood.utterances - opened.utterances :]
        return Heard(live.capture, heard, tuple(said))

    async def _hear_connections(
        self, live: _Live, container: Container, listening: Listening
    ) -> KaiwaError | None:
        """Hear one after the other; returns what ended the last, None for the end of its body."""
        while True:
            error = await self._pour(live, container, listening)
            if isinstance(error, BrokenOff) and live.epoch:
                await self._await_resume(live)
            if not live.goes_on:
                return error
            live.connections.popleft().tell(error or _replaced())

    async def _pour(
        self, live: _Live, container: Container, listening: Listening
    ) -> KaiwaError | None:
        """Hear a connection; returns what ended it, None for the end of its body."""
        connection = live.connections[0]
        left = listening.position - connection.offset
        try:
            async with ingest(connection.body, container, self._decoder, self._limits) as blocks:
                async for block in live.wanted(blocks):
                    fresh = block[left:]
                    left = max(0, left - len(block))
                    if len(fresh):
                        await listening.hear(fresh)
        except KaiwaError as ended:
            return ended
        return None

    async def _await_resume(self, live: _Live) -> None:
        try:
            async with asyncio.timeout(RESUME_S):
                while live.stop is None and not live.goes_on:
                    live.changed.clear()
                    await live.changed.wait()
        except TimeoutError:
            log.info("capture_not_resumed", talk=live.talk, capture=live.capture)

    def _check_open(self) -> None:
        if self._closing:
            raise _stopping()

    def _same(self, talk: TalkId, user: UserId, capture: CaptureId) -> _Live | None:
        wanted = (talk, user, capture)
        return next((li for li in self._live if (li.talk, li.user, li.capture) == wanted), None)

    async def _until_over(self, older: _Live) -> None:
        """It cannot be taken up, but may be storing its last words."""
        older.end(_Stop.RECONNECTED)
        with suppress(TimeoutError):
            async with asyncio.timeout(RESUME_S):
                await older.over.wait()

    @contextmanager
    def _admit(self, talk: TalkId, user: User, capture: CaptureId) -> Iterator[_Live]:
        """Enter an upload, and end those it replaces."""
        for other in self._live:
            if (other.talk, other.user) == (talk, user.id):  # nobody ends another's by its id
                same = other.capture == capture
                other.end(_Stop.RECONNECTED if same else _Stop.TAKEN_OVER)
        going_on = Counter(live.user for live in self._live if live.stop is None)
        if going_on[user.id] >= self._per_user:
            raise TooManyStreams(f"you have {self._per_user} uploads going on already")
        live = _Live(capture, talk, user.id)
        self._live.add(live)
        self._idle.clear()
        try:
            yield live
        finally:
            self._live.discard(live)
            live.over.set()
            if not self._live:
                self._idle.set()


def _check_offset(offset: int, capture: Capture) -> None:
    if offset > capture.offset:
        raise OffsetConflict(
            f"this capture is stored up to sample {capture.offset}; send from there"
        )


def _stopping() -> ShuttingDown:
    return ShuttingDown("this server is stopping; connect again")


def _replaced() -> TakenOver:
    return TakenOver("a newer connection or capture of yours replaced this one")
