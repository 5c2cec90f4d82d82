"""The captures that are live in this process, and how each of them ends.

| how the upload ends            | what is still open                              |
|--------------------------------|-------------------------------------------------|
| its body ends                  | stored                                          |
| the connection breaks, L16     | left RESUME_S for the resume, then stored       |
| the connection breaks, else    | stored                                          |
| the same capture reconnects    | dropped here; the newer connection sends it     |
| a newer capture takes over     | stored                                          |
| its sender may not speak here  | dropped: they are out at once                   |
| SIGTERM, L16                   | dropped; the page sends it to the next process  |
| SIGTERM, else                  | stored                                          |
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
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
)
from kaiwa.pipeline.ingest import BrokenOff, Limits, ingest
from kaiwa.pipeline.listen import Ears, Listening
from kaiwa.pipeline.tasks import one_error
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


@dataclass(eq=False, slots=True)
class _Live:
    """An upload of this process; `stop` is set at most once."""

    capture: CaptureId
    talk: TalkId
    user: UserId
    stop: _Stop | None = None
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, why: _Stop) -> None:
        self.stop = self.stop or why
        self.stopped.set()


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
        the capture, in samples: what is durable already is skipped. Raises OffsetConflict,
        Conflict, TakenOver, ShuttingDown, TooManyStreams, and what `ingest` and recognition raise;
        what was recognised before is stored.
        """
        if self._closing:
            raise ShuttingDown("this server is stopping; connect again")
        with self._admit(talk.id, user, capture_id) as live:
            capture = await self._open(talk, user, capture_id, container, offset)
            resumable = container is Container.L16
            async with Listening.open(self._ears, talk, user, capture) as listening:
                skip = capture.offset - offset if resumable else 0
                error: KaiwaError | None = None
                try:
                    await self._pour(live, container, body, skip, listening)
                except KaiwaError as ended:
                    error = ended
                if isinstance(error, BrokenOff) and resumable and live.stop is None:
                    await self._await_resume(live)
                dropped = live.stop in (_Stop.RECONNECTED, _Stop.NOT_ALLOWED)
                if dropped or (live.stop is _Stop.SHUTDOWN and resumable):
                    await listening.leave_open()
                else:
                    await listening.flush()
            log.info(
                "capture_ended",
                talk=talk.id,
                capture=capture_id,
                utterances=len(listening.utterances),
                error=None if error is None else error.code,
                stop=None if live.stop is None else live.stop.name,
            )
            if error is not None:
                raise error
            heard = listening.position - capture.offset
            return Heard(capture_id, samples_to_ms(heard), tuple(listening.utterances))

    async def _open(
        self, talk: Talk, user: User, capture_id: CaptureId, container: Container, offset: int
    ) -> Capture:
        capture = await self._ears.event_log.open_capture(talk.id, user.id, capture_id)
        if container is not Container.L16 and (offset or capture.offset):
            raise Conflict("only an L16 capture can be resumed; start a new capture")
        if offset > capture.offset:
            raise OffsetConflict(
                f"this capture is stored up to sample {capture.offset}; send from there"
            )
        return capture

    async def _pour(
        self,
        live: _Live,
        container: Container,
        body: AsyncIterator[bytes],
        skip: int,
        listening: Listening,
    ) -> None:
        """Hear the body until it ends or the upload is stopped, which raises why."""

        async def hear(blocks: AsyncIterator[Samples]) -> None:
            left = skip
            async for block in blocks:
                fresh = block[left:]
                left = max(0, left - len(block))
                if len(fresh):
                    await listening.hear(fresh)
            hearing_over.set()

        async def watch(hearing: asyncio.Task[None]) -> None:
            await live.stopped.wait()
            hearing.cancel()

        hearing_over = asyncio.Event()
        with one_error():
            async with (
                ingest(body, container, self._decoder, self._limits) as blocks,
                asyncio.TaskGroup() as tasks,
            ):
                hearing = tasks.create_task(hear(blocks))
                watching = tasks.create_task(watch(hearing))
                await asyncio.wait([hearing])
                watching.cancel()
        if not hearing_over.is_set():
            raise _why(live.stop)

    async def _await_resume(self, live: _Live) -> None:
        try:
            async with asyncio.timeout(RESUME_S):
                await live.stopped.wait()
        except TimeoutError:
            log.info("capture_not_resumed", talk=live.talk, capture=live.capture)

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
            if not self._live:
                self._idle.set()


def _why(stop: _Stop | None) -> KaiwaError:
    if stop is _Stop.SHUTDOWN:
        return ShuttingDown("this server is stopping; connect again")
    if stop is _Stop.NOT_ALLOWED:
        return Forbidden("you may not speak here any more")
    return TakenOver("a newer capture of yours replaced this one")
