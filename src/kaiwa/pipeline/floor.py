"""The floor of each talk: whose turn it is, decided in one process and acted on there.

A process that hears somebody in a talk attends it: it reads the talk's events as any reader does,
keeps its turns, and tries to own its floor, a row that is leased for three seconds and renewed each
second. The owner alone acts on what `policy.turns` decides; when it is gone, another process that
attends has kept the same turns and goes on with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final, Self

import numpy as np
import structlog

from kaiwa.domain.events import Recorded, TalkDeleted, TalkUpdated, TurnSignal
from kaiwa.domain.ids import ClipId, ReplyId, TalkId, UserId
from kaiwa.domain.talk import Talk, TalkSettings
from kaiwa.errors import DatabaseDown, KaiwaError, NotFound, TakenOver
from kaiwa.pipeline.fan_out import FanOut, Item, Ready
from kaiwa.pipeline.loudness import clip_powers
from kaiwa.pipeline.respond import Responder
from kaiwa.pipeline.tasks import DATABASE_PATIENCE_S, contained, one_error
from kaiwa.policy.echo import PROOF, Levels, is_echo, likeness, voiced
from kaiwa.policy.overhearing import Overhearing, Stretch
from kaiwa.policy.turn_decisions import Commit, Cut, Decision, Discard, Prefill, Speculate
from kaiwa.policy.turns import State, Turns
from kaiwa.ports.clip_store import ClipStore
from kaiwa.ports.event_log import FLOOR_LEASE_S, EventLog

RENEW_S: Final = 1.0
LOOK_BACK: Final = 100
"""Events before now that say what is going on: a reply that is being played, unanswered words."""
LINGER_S: Final = 10.0
"""A talk is attended a little longer than it is heard: its last words are still to be answered."""
REST_S: Final = 60.0
CLIPS_KEPT: Final = 32
"""Whose levels are known: what of a reply may still be in the air."""
OTHERS_S: Final = 0.6
"""A final waits so long for words that a louder microphone may hear at the same time."""

log = structlog.get_logger()


class Attendance:
    """One talk as this process attends it."""

    def __init__(self, talk: Talk, clips: ClipStore) -> None:
        self.turns = Turns(talk)
        self._clips = clips
        self._powers: dict[str, Levels] = {}
        self.fence: int | None = None
        """Of the floor, while it is ours."""
        self.users = 0
        self.wanted_until = 0.0
        self.reading = asyncio.Event()
        """Set once it knows what is going on; what is appended from then on is not missed."""
        self.task: asyncio.Task[None] | None = None
        self._cursor: int | None = None
        self._changed = asyncio.Event()
        self._overhearing = Overhearing()
        self._observed = asyncio.Event()
        """Set with the next event; then there is another."""

    async def is_overheard(self, heard: Stretch) -> bool:
        """Whether a louder capture heard the same; waits a little for what others are hearing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OTHERS_S):
                while self.turns.hears_others(heard.capture):
                    if self._overhearing.is_overheard(heard):
                        break
                    await self._observed.wait()
        return self._overhearing.is_overheard(heard)

    async def is_echo(self, text: str, start: float, end: float, heard: Levels) -> bool:
        """Whether what was heard between two times of the monotonic clock is the agent's voice."""
        clauses = self.turns.sounded(start, end)
        if not clauses:
            return False
        played = [await self._clip_powers(clause.clip) for clause in clauses if clause.clip]
        sound = np.concatenate([np.zeros(0), *played])
        whole = likeness(heard, sound) if len(sound) >= PROOF else None
        voice = likeness(voiced(heard), sound)
        return is_echo(text, "".join(clause.text for clause in clauses), whole, voice)

    async def _clip_powers(self, clip: str) -> Levels:
        """Nothing where the clip cannot be had."""
        powers = self._powers.get(clip)
        if powers is None:
            powers = np.zeros(0)
            with contextlib.suppress(KaiwaError):
                found = await self._clips.find(self.turns.talk.id, ClipId(clip), "audio/wav")
                if found is not None:
                    powers = clip_powers(found.data)
            self._powers[clip] = powers
            while len(self._powers) > CLIPS_KEPT:
                del self._powers[next(iter(self._powers))]
        return powers

    async def attend(self, event_log: EventLog, fan_out: FanOut, act: Act) -> None:
        """Keep the turns, and act on what they ask for while the floor is ours."""
        if self._cursor is None:
            self._cursor = max(0, await event_log.head(self.turns.talk.id) - LOOK_BACK)
        with one_error():
            async with (
                fan_out.subscribe(self.turns.talk.id, self._cursor) as groups,
                asyncio.TaskGroup() as tasks,
            ):
                deciding = tasks.create_task(self._decide(act))
                async for group in groups:
                    for item in group:
                        self._observe(item)
                    if any(_is_end(item) for item in group):
                        break
                deciding.cancel()

    def took(self, fence: int | None) -> None:
        """Whether the floor is ours now."""
        if fence != self.fence:
            self.fence = fence
            self.turns.forget_guess()
            self._changed.set()

    def _observe(self, item: Item) -> None:
        now = time.monotonic()
        if isinstance(item, Ready):
            self.reading.set()
        elif isinstance(item, Recorded):
            self._cursor = item.seq
            if not self.reading.is_set():  # it happened before
                now -= max(0.0, (datetime.now(UTC) - item.event.at).total_seconds())
            if isinstance(item.event, TalkUpdated):
                self.turns.talk = _changed(self.turns.talk, item.event)
            self.turns.observe(item.event, now)
        else:
            self.turns.observe(item, now)
            if isinstance(item, TurnSignal):
                self._overhearing.observe(item)
        self._changed.set()
        observed, self._observed = self._observed, asyncio.Event()
        observed.set()

    async def _decide(self, act: Act) -> None:
        await self.reading.wait()
        while True:
            self._changed.clear()
            for decision in self.turns.decide(time.monotonic()):
                if self.fence is not None or isinstance(decision, Discard):
                    await act(self, decision)
            due = self.turns.due()
            try:
                async with asyncio.timeout(
                    REST_S if due is None else max(0.0, due - time.monotonic())
                ):
                    await self._changed.wait()
            except TimeoutError:
                pass


Act = Callable[[Attendance, Decision], Awaitable[None]]


class Floors:
    """The talks that this process attends; open it with `run`, whose block owns every task."""

    def __init__(
        self,
        event_log: EventLog,
        fan_out: FanOut,
        clips: ClipStore,
        responder: Responder,
        owner: str,
    ) -> None:
        self._log = event_log
        self._fan_out = fan_out
        self._clips = clips
        self._responder = responder
        self._owner = owner
        self._attended: dict[TalkId, Attendance] = {}
        self._tasks: asyncio.TaskGroup

    @classmethod
    @asynccontextmanager
    async def run(
        cls,
        event_log: EventLog,
        fan_out: FanOut,
        clips: ClipStore,
        responder: Responder,
        owner: str,
    ) -> AsyncIterator[Self]:
        """Attend for the length of the block, and leave the floors to others at its end."""
        floors = cls(event_log, fan_out, clips, responder, owner)
        async with asyncio.TaskGroup() as floors._tasks:
            heartbeat = floors._tasks.create_task(floors._heartbeat())
            try:
                yield floors
            finally:
                heartbeat.cancel()
                attended = tuple(floors._attended.values())
                with contextlib.suppress(TimeoutError):  # then their leases have run out
                    async with asyncio.timeout(FLOOR_LEASE_S):
                        for attendance in attended:
                            await floors._release(attendance)
                for attendance in attended:
                    floors._leave(attendance)

    @asynccontextmanager
    async def attending(self, talk: Talk) -> AsyncIterator[Attendance]:
        """Attend a talk for the length of the block, and a little longer.

        What is appended in the block is not missed. A database that is away is waited for; raises
        DatabaseDown after DATABASE_PATIENCE_S.
        """
        attendance = self._attended.get(talk.id)
        begins = attendance is None
        if attendance is None:
            attendance = self._attended[talk.id] = Attendance(talk, self._clips)
            attendance.task = self._tasks.create_task(
                contained(partial(self._attend, attendance), "floor")
            )
        attendance.users += 1
        try:
            if begins:
                attendance.took(await self._take(talk.id))
            await _begun(attendance)
            yield attendance
        finally:
            attendance.users -= 1
            attendance.wanted_until = time.monotonic() + LINGER_S

    async def _attend(self, attendance: Attendance) -> None:
        """Until the talk is deleted or nobody wants it any more; reading is begun anew where it
        fell behind or lost its connection."""
        try:
            while True:
                try:
                    await attendance.attend(self._log, self._fan_out, self._act)
                    return
                except NotFound:
                    return
                except KaiwaError as error:
                    log.info("floor_reads_again", error=error.code)
                    await asyncio.sleep(RENEW_S)
        finally:
            attendance.reading.set()
            self._forget(attendance)
            await self._responder.discard(attendance.turns.talk.id)

    async def _act(self, attendance: Attendance, decision: Decision) -> None:
        talk = attendance.turns.talk
        try:
            match decision:
                case Speculate(words=words):
                    await self._responder.speculate(talk, words)
                case Discard():
                    await self._responder.discard(talk.id)
                case Prefill(words=words):
                    await self._responder.prefill(talk, words)
                case Commit() if attendance.fence is not None:
                    await self._responder.commit(talk, decision, fence=attendance.fence)
                case Cut(reply_id=reply_id, by=by, at=at):
                    await self._responder.stop(talk.id, ReplyId(reply_id), UserId(by), at)
        except TakenOver:
            attendance.took(None)
        except KaiwaError as error:
            log.warning("turn_not_followed", talk=talk.id, error=error.code)

    async def _take(self, talk: TalkId) -> int | None:
        try:
            return await self._log.take_floor(talk, self._owner)
        except KaiwaError:
            return None

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            await contained(self._beat, "floors")

    async def _beat(self) -> None:
        """Keep the floors that are ours, take those that are free, leave those nobody wants."""
        mine = [talk for talk, attended in self._attended.items() if attended.fence is not None]
        try:
            kept = await self._log.renew_floors(self._owner, mine) if mine else set()
        except DatabaseDown:
            kept = set()  # they may be another's by the time it is back
        for talk, attendance in tuple(self._attended.items()):
            if self._is_done(attendance):
                await self._release(attendance)
                if not attendance.users:  # nobody came back meanwhile
                    self._leave(attendance)
            elif talk not in kept:
                attendance.took(await self._take(talk))

    def _is_done(self, attendance: Attendance) -> bool:
        idle = not attendance.users and attendance.turns.state is State.IDLE
        return idle and time.monotonic() > attendance.wanted_until

    async def _release(self, attendance: Attendance) -> None:
        if attendance.fence is not None:
            attendance.took(None)
            with contextlib.suppress(KaiwaError):  # then its lease runs out
                await self._log.release_floor(attendance.turns.talk.id, self._owner)

    def _leave(self, attendance: Attendance) -> None:
        if attendance.task is not None:
            attendance.task.cancel()
        self._forget(attendance)

    def _forget(self, attendance: Attendance) -> None:
        """A newer one of the same talk stays."""
        talk = attendance.turns.talk.id
        if self._attended.get(talk) is attendance:
            del self._attended[talk]


async def _begun(attendance: Attendance) -> None:
    try:
        async with asyncio.timeout(DATABASE_PATIENCE_S):
            await attendance.reading.wait()
    except TimeoutError:
        raise DatabaseDown("the talk could not be read; try again") from None


def _is_end(item: Item) -> bool:
    return isinstance(item, Recorded) and isinstance(item.event, TalkDeleted)


def _changed(talk: Talk, event: TalkUpdated) -> Talk:
    known = {k: v for k, v in event.settings.items() if k in TalkSettings.model_fields}
    return Talk.model_validate({**talk.model_dump(), **known})
