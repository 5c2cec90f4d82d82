"""The event log and its wake-ups in this process's memory; for tests and nothing else."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from kaiwa.adapters import opus
from kaiwa.domain.audio import SAMPLE_RATE, Samples, Speech, wav
from kaiwa.domain.events import (
    Durable,
    Ephemeral,
    Internal,
    Recorded,
    ReplyClause,
    ReplyFinished,
    ReplyStarted,
    UtteranceFinal,
    encode,
    encode_recorded,
)
from kaiwa.domain.ids import (
    CaptureId,
    ClipId,
    EventId,
    ReplyId,
    TalkId,
    UserId,
    UtteranceId,
    new_id,
)
from kaiwa.errors import Conflict, DatabaseDown, NotFound, TakenOver, TooMuch
from kaiwa.policy.heard import joined
from kaiwa.policy.playing import DEVICES
from kaiwa.ports.clip_store import Clip, ClipFormat
from kaiwa.ports.event_log import FLOOR_LEASE_S, Advance, Capture, ReplyClaim

MAX_PAYLOAD_BYTES: Final = 7_900  # what PostgreSQL lets through


@dataclass
class _Log:
    created: float = field(default_factory=time.monotonic)
    events: list[Recorded] = field(default_factory=list)
    by_id: dict[str, Recorded] = field(default_factory=dict)
    generation: int = 0
    reply: ReplyClaim | None = None
    replier: str = ""
    floor: str = ""
    fence: int = 0
    floor_renewed: float = 0.0
    erased: set[int] = field(default_factory=set)
    erasures: int = 0


class MemoryEventLog:
    """`EventLog`, `Recordings` and `Wakeups` at once; `down` plays a lost database."""

    def __init__(self) -> None:
        self.down = False
        self.recording: dict[TalkId, bool] = {}
        """The setting of each talk, as `Talks.update` knows it."""
        self._sounds: dict[tuple[TalkId, str], Samples] = {}
        self._talks: dict[TalkId, _Log] = {}
        self._captures: dict[CaptureId, Capture] = {}
        self._heard: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
        self._readers: defaultdict[TalkId, list[Callable[[str], None]]] = defaultdict(list)

    def add_talk(self, talk: TalkId) -> None:
        """What `Talks.create` does in PostgreSQL."""
        self._talks[talk] = _Log()

    def forget_talk(self, talk: TalkId) -> None:
        """What `Talks.delete` does in PostgreSQL."""
        del self._talks[talk]
        self._sounds = {key: sound for key, sound in self._sounds.items() if key[0] != talk}

    def erase(self, talk: TalkId, *seqs: int) -> None:
        """What a sweep does in PostgreSQL."""
        log = self._talks[talk]
        log.erased.update(seqs)
        log.erasures += 1

    def orphan_replies(self) -> None:
        """Play an owner that died long ago."""
        for log in self._talks.values():
            if log.reply is not None:
                log.reply = replace(log.reply, mine=False)

    async def append(
        self,
        talk: TalkId,
        event: Durable,
        *,
        event_id: EventId | None = None,
        advance: Advance | None = None,
        sound: Samples | None = None,
    ) -> Recorded:
        log = self._log(talk)
        if event_id is not None and event_id in log.by_id:
            return log.by_id[event_id]
        if isinstance(event, ReplyClause | ReplyFinished) and (
            log.reply is None or log.reply.reply_id != event.reply_id
        ):
            raise TakenOver("this reply was closed by another process")
        if advance is not None:
            await self.move(advance)
        if isinstance(event, ReplyFinished):
            log.reply = None
        if sound is not None and isinstance(event, UtteranceFinal) and self.recording.get(talk):
            self._sounds[talk, event.utterance_id] = sound
            event = event.model_copy(update={"recorded": True})
        recorded = Recorded(seq=len(log.events) + 1, event=event)
        log.events.append(recorded)
        if event_id is not None:
            log.by_id[event_id] = recorded
        payload = json.dumps(encode_recorded(recorded), ensure_ascii=False)
        if len(payload.encode()) > MAX_PAYLOAD_BYTES:
            payload = json.dumps({"seq": recorded.seq})
        self._wake(talk, payload)
        return recorded

    async def move(self, advance: Advance) -> Capture:
        self._up()
        now = self._captures[advance.capture.id]
        expected = (advance.capture.offset, advance.offset)  # the latter: an answer was lost
        if now.epoch != advance.capture.epoch or now.offset not in expected:
            raise TakenOver(f"a newer connection writes the capture {now.id}")
        moved = replace(now, offset=advance.offset, utterances=advance.utterances)
        self._captures[now.id] = moved
        return moved

    async def read(self, talk: TalkId, after: int, limit: int = 500) -> list[Recorded]:
        log = self._log(talk)
        return [each for each in log.events[after:] if each.seq not in log.erased][:limit]

    async def head(self, talk: TalkId) -> int:
        return len(self._log(talk).events)

    async def heads(self, talks: Sequence[TalkId]) -> dict[TalkId, int]:
        self._up()
        return {talk: len(self._talks[talk].events) for talk in talks if talk in self._talks}

    async def erasures(self, talk: TalkId) -> int:
        return self._log(talk).erasures

    async def tell(self, talk: TalkId, event: Ephemeral | Internal) -> None:
        self._up()
        payload = json.dumps(encode(event), ensure_ascii=False)
        if len(payload.encode()) > MAX_PAYLOAD_BYTES:
            raise TooMuch(f"a {event.type} event is too large to send")
        self._wake(talk, payload)

    async def open_capture(self, talk: TalkId, participant: UserId, capture: CaptureId) -> Capture:
        log = self._log(talk)
        now_ms = int((time.monotonic() - log.created) * 1000)
        known = self._captures.get(capture)
        if known is None:
            opened = Capture(capture, talk, participant, 1, 0, now_ms, 0)
        elif (known.talk, known.participant) != (talk, participant):
            raise Conflict(f"the capture {capture} belongs to another talk or participant")
        else:
            opened = replace(known, epoch=known.epoch + 1, age_ms=now_ms - known.started_ms)
        self._captures[capture] = opened
        return opened

    async def capture(self, talk: TalkId, capture: CaptureId) -> Capture:
        self._up()
        known = self._captures.get(capture)
        if known is None or known.talk != talk:
            raise NotFound("there is no such capture")
        return known

    def lose_floors(self) -> None:
        """Play owners that died long ago."""
        for log in self._talks.values():
            log.floor_renewed = float("-inf")

    async def take_floor(self, talk: TalkId, owner: str) -> int | None:
        log = self._log(talk)
        held = time.monotonic() - log.floor_renewed < FLOOR_LEASE_S
        if log.floor not in (owner, "") and held:
            return None
        if log.floor != owner:
            log.fence += 1
            if log.reply is not None and log.replier == log.floor:
                log.reply = replace(log.reply, mine=False)
                await self._close_orphan(talk)
        log.floor, log.floor_renewed = owner, time.monotonic()
        return log.fence

    async def renew_floors(self, owner: str, talks: Sequence[TalkId]) -> set[TalkId]:
        self._up()
        mine = {talk for talk in talks if talk in self._talks and self._talks[talk].floor == owner}
        for talk in mine:
            self._talks[talk].floor_renewed = time.monotonic()
        return mine

    async def release_floor(self, talk: TalkId, owner: str) -> None:
        self._up()
        log = self._talks.get(talk)
        if log is not None and log.floor == owner:
            log.floor = ""

    async def claim_reply(
        self,
        talk: TalkId,
        *,
        cause: str,
        owner: str,
        name: str,
        key: EventId | None = None,
        fence: int | None = None,
    ) -> ReplyClaim:
        log = self._log(talk)
        if fence is not None and (log.floor, log.fence) != (owner, fence):
            raise TakenOver("another process has this talk's floor")
        known = log.by_id.get(key) if key is not None else None
        if known is not None and isinstance(known.event, ReplyStarted):
            started = known.event
            return ReplyClaim(ReplyId(started.reply_id), started.generation, mine=False)
        if log.reply is not None and log.reply.mine:
            return replace(log.reply, mine=False)
        await self._close_orphan(talk)
        log.generation += 1
        log.reply = ReplyClaim(ReplyId(new_id()), log.generation, mine=True)
        log.replier = owner
        await self.append(
            talk,
            ReplyStarted(
                reply_id=log.reply.reply_id, generation=log.generation, cause=cause, name=name
            ),
            event_id=key,
        )
        return log.reply

    async def reply_going_on(self, talk: TalkId) -> ReplyId | None:
        reply = self._log(talk).reply
        return None if reply is None else reply.reply_id

    async def clauses(self, talk: TalkId, reply: ReplyId) -> list[ReplyClause]:
        events = (recorded.event for recorded in self._log(talk).events)
        return [e for e in events if isinstance(e, ReplyClause) and e.reply_id == reply]

    async def clip_text(self, talk: TalkId, clip: ClipId) -> str:
        for recorded in self._log(talk).events:
            event = recorded.event
            if isinstance(event, ReplyClause) and event.clip == clip:
                return event.text
        raise NotFound("there is no such clip")

    async def put_heard(
        self, talk: TalkId, reply: ReplyId, user: UserId, listener: str, clause: int, ms: int
    ) -> None:
        events = self._log(talk).events
        known = any(isinstance(e.event, ReplyStarted) and e.event.reply_id == reply for e in events)
        devices = self._heard[talk, reply, user]
        if not known or (listener not in devices and len(devices) >= DEVICES):
            raise NotFound(f"there is no such reply, or {DEVICES} devices of yours report on it")
        devices.add(listener)

    async def utterance(self, talk: TalkId, utterance: UtteranceId) -> UtteranceFinal:
        for recorded in self._log(talk).events:
            event = recorded.event
            if isinstance(event, UtteranceFinal) and event.utterance_id == utterance:
                return event
        raise NotFound("there is no such utterance")

    async def find(self, talk: TalkId, utterance: UtteranceId, media_type: ClipFormat) -> Clip:
        speech = Speech(await self.sound(talk, utterance), SAMPLE_RATE)
        write = opus.encode if media_type == "audio/ogg" else wav
        return Clip(media_type, write(speech))

    async def sound(self, talk: TalkId, utterance: UtteranceId) -> Samples:
        self._up()
        if (talk, utterance) not in self._sounds:
            raise NotFound("there is no sound of this utterance")
        return self._sounds[talk, utterance]

    async def renew_replies(self, owner: str, replies: Sequence[ReplyId]) -> None:
        self._up()

    async def close_orphans(self) -> int:
        return sum([await self._close_orphan(talk) for talk in self._talks])

    async def listen(self, talk: TalkId, on_payload: Callable[[str], None]) -> None:
        self._readers[talk].append(on_payload)

    async def unlisten(self, talk: TalkId, on_payload: Callable[[str], None]) -> None:
        self._readers[talk].remove(on_payload)

    async def _close_orphan(self, talk: TalkId) -> bool:
        log = self._log(talk)
        if log.reply is None or log.reply.mine:
            return False
        reply = log.reply.reply_id
        text = joined(await self.clauses(talk, reply))
        await self.append(talk, ReplyFinished(reply_id=reply, status="interrupted", text=text))
        return True

    def _wake(self, talk: TalkId, payload: str) -> None:
        for on_payload in tuple(self._readers[talk]):
            on_payload(payload)

    def _log(self, talk: TalkId) -> _Log:
        self._up()
        if talk not in self._talks:
            raise NotFound("there is no such talk, or it is not yours")
        return self._talks[talk]

    def _up(self) -> None:
        if self.down:
            raise DatabaseDown("the database does not answer (fake)")
