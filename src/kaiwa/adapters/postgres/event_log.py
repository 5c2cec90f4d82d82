"""The event log in PostgreSQL: rows are the truth, NOTIFY is the hint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

from kaiwa.adapters import opus
from kaiwa.adapters.postgres import lines
from kaiwa.adapters.postgres.database import Connection, Database, queries, wake
from kaiwa.domain.audio import SAMPLE_RATE, Samples, Speech
from kaiwa.domain.events import (
    Durable,
    Ephemeral,
    Internal,
    Recorded,
    ReplyClause,
    ReplyFinished,
    ReplyStarted,
    UtteranceFinal,
    decode_stored,
    encode,
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
from kaiwa.errors import Conflict, NotFound, TakenOver, TooMuch
from kaiwa.policy.heard import joined
from kaiwa.policy.playing import DEVICES
from kaiwa.ports.event_log import FLOOR_LEASE_S, REPLY_LEASE_S, Advance, Capture, ReplyClaim

MAX_NOTIFY_BYTES: Final = 7_900  # PostgreSQL's own limit is 8,000


class PostgresEventLog:
    """`ports.event_log.EventLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(
        self,
        talk: TalkId,
        event: Durable,
        *,
        event_id: EventId | None = None,
        advance: Advance | None = None,
        sound: Samples | None = None,
    ) -> Recorded:
        recording = None
        if sound is not None:
            recording = await asyncio.to_thread(opus.encode, Speech(sound, SAMPLE_RATE))
        async with self._database.transaction() as connection:
            return await append_in(
                connection, talk, event, event_id=event_id, advance=advance, recording=recording
            )

    async def move(self, advance: Advance) -> Capture:
        async with self._database.connection() as connection:
            return await _advance(connection, advance)

    async def read(self, talk: TalkId, after: int, limit: int = 500) -> list[Recorded]:
        async with self._database.connection() as connection:
            rows = queries.events_after(connection, talk=talk, after=after, at_most=limit)
            return [_recorded(row) async for row in rows]

    async def head(self, talk: TalkId) -> int:
        async with self._database.connection() as connection:
            return int(_found(await queries.head(connection, talk=talk)))

    async def heads(self, talks: Sequence[TalkId]) -> dict[TalkId, int]:
        async with self._database.connection() as connection:
            rows = queries.heads(connection, talks=list(talks))
            return {TalkId(row["id"]): row["seq"] async for row in rows}

    async def erasures(self, talk: TalkId) -> int:
        async with self._database.connection() as connection:
            return int(_found(await queries.erasures(connection, talk=talk)))

    async def tell(self, talk: TalkId, event: Ephemeral | Internal) -> None:
        payload = json.dumps(encode(event), ensure_ascii=False)
        if len(payload.encode()) > MAX_NOTIFY_BYTES:
            raise TooMuch(f"a {event.type} event is too large to send")
        await self._database.tell(talk, payload)

    async def open_capture(self, talk: TalkId, participant: UserId, capture: CaptureId) -> Capture:
        async with self._database.connection() as connection:
            row = await queries.open_capture(
                connection, talk=talk, participant=participant, capture=capture
            )
            if row is None:
                _found(await queries.head(connection, talk=talk))
        if row is None:
            raise Conflict(f"the capture {capture} belongs to another talk or participant")
        return _capture(row)

    async def capture(self, talk: TalkId, capture: CaptureId) -> Capture:
        async with self._database.connection() as connection:
            return _capture(
                _found(await queries.get_capture(connection, talk=talk, capture=capture))
            )

    async def take_floor(self, talk: TalkId, owner: str) -> int | None:
        async with self._database.transaction() as connection:
            _found(await queries.lock_talk(connection, talk=talk))
            before = await queries.floor_of(connection, talk=talk)
            fence = await queries.take_floor(
                connection, talk=talk, owner=owner, lease=FLOOR_LEASE_S
            )
            if fence is not None and before is not None and before["owner"] != owner:
                left = await queries.reply_of_owner(connection, talk=talk, owner=before["owner"])
                if left is not None and await queries.finish_reply(connection, reply=left):
                    await _tell_interrupted(connection, talk, ReplyId(left))
        return None if fence is None else int(fence)

    async def renew_floors(self, owner: str, talks: Sequence[TalkId]) -> set[TalkId]:
        async with self._database.connection() as connection:
            rows = queries.renew_floors(connection, owner=owner, talks=list(talks))
            return {TalkId(row["talk_id"]) async for row in rows}

    async def release_floor(self, talk: TalkId, owner: str) -> None:
        async with self._database.connection() as connection:
            await queries.release_floor(connection, talk=talk, owner=owner)

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
        async with self._database.transaction() as connection:
            _found(await queries.lock_talk(connection, talk=talk))
            if fence is not None:
                floor = await queries.floor_of(connection, talk=talk)
                if floor is None or (floor["owner"], floor["fence"]) != (owner, fence):
                    raise TakenOver("another process has this talk's floor")
            if key is not None:
                known = await queries.event_by_id(connection, talk=talk, event_id=key)
                if known is not None:
                    payload = known["payload"]
                    return ReplyClaim(payload["reply_id"], payload["generation"], mine=False)
            going_on = await queries.reply_going_on(connection, talk=talk, lease=REPLY_LEASE_S)
            if going_on is not None:
                if not going_on["orphaned"]:
                    return ReplyClaim(ReplyId(going_on["id"]), going_on["generation"], mine=False)
                await _close_orphan(connection, talk, ReplyId(going_on["id"]))
            generation = await queries.next_generation(connection, talk=talk)
            reply = ReplyId(new_id())
            await queries.insert_reply(
                connection, reply=reply, talk=talk, generation=generation, owner=owner
            )
            await append_in(
                connection,
                talk,
                ReplyStarted(reply_id=reply, generation=generation, cause=cause, name=name),
                event_id=key,
            )
            return ReplyClaim(reply, generation, mine=True)

    async def reply_going_on(self, talk: TalkId) -> ReplyId | None:
        async with self._database.connection() as connection:
            row = await queries.reply_going_on(connection, talk=talk, lease=REPLY_LEASE_S)
        return None if row is None else ReplyId(row["id"])

    async def clauses(self, talk: TalkId, reply: ReplyId) -> list[ReplyClause]:
        async with self._database.connection() as connection:
            return await _clauses(connection, talk, reply)

    async def clip_text(self, talk: TalkId, clip: ClipId) -> str:
        async with self._database.connection() as connection:
            text: str | None = await queries.clip_text(connection, talk=talk, clip=clip)
        if text is None:
            raise NotFound("there is no such clip")
        return text

    async def put_heard(
        self, talk: TalkId, reply: ReplyId, user: UserId, listener: str, clause: int, ms: int
    ) -> None:
        async with self._database.connection() as connection:
            put = await queries.put_heard(
                connection,
                talk=talk,
                reply=reply,
                owner=f"{user}/",
                listener=listener,
                clause=clause,
                ms=ms,
                devices=DEVICES,
            )
        if put is None:
            raise NotFound(f"there is no such reply, or {DEVICES} devices of yours report on it")

    async def utterance(self, talk: TalkId, utterance: UtteranceId) -> UtteranceFinal:
        async with self._database.connection() as connection:
            row = await queries.utterance_of(connection, talk=talk, utterance_id=utterance)
        if row is None:
            raise NotFound("there is no such utterance")
        return UtteranceFinal.model_validate(row["payload"])

    async def renew_replies(self, owner: str, replies: Sequence[ReplyId]) -> None:
        async with self._database.connection() as connection:
            await queries.renew_replies(connection, owner=owner, replies=list(replies))

    async def close_orphans(self) -> int:
        async with self._database.connection() as connection:
            rows = queries.orphaned_replies(connection, lease=REPLY_LEASE_S)
            orphans = [(TalkId(row["talk_id"]), ReplyId(row["id"])) async for row in rows]
        closed = 0
        for talk, reply in orphans:
            try:
                async with self._database.transaction() as connection:
                    closed += await _close_orphan(connection, talk, reply)
            except NotFound:  # a deleted talk: nobody is left to tell
                continue
        return closed


async def append_in(
    connection: Connection,
    talk: TalkId,
    event: Durable,
    *,
    event_id: EventId | None = None,
    advance: Advance | None = None,
    recording: bytes | None = None,
) -> Recorded:
    """Append inside a transaction; the caller's block commits it."""
    if event_id is not None:
        _found(await queries.lock_talk(connection, talk=talk))
        known = await queries.event_by_id(connection, talk=talk, event_id=event_id)
        if known is not None:
            return _recorded(known)
    seq = _found(await queries.take_seq(connection, talk=talk))
    if recording is not None and isinstance(event, UtteranceFinal):
        kept = await queries.put_recording(
            connection, talk=talk, utterance=event.utterance_id, at=event.at, opus=recording
        )
        event = event.model_copy(update={"recorded": kept is not None})
    payload = encode(event)
    await queries.insert_event(
        connection, talk=talk, seq=seq, event_id=event_id or new_id(), payload=payload
    )
    await lines.follow(connection, talk, seq, event)
    if advance is not None:
        await _advance(connection, advance)
    match event:
        case ReplyClause():
            going_on = await queries.is_going_on(connection, talk=talk, reply=event.reply_id)
        case ReplyFinished():
            going_on = await queries.finish_reply(connection, reply=event.reply_id)
        case _:
            going_on = True
    if not going_on:
        raise TakenOver("this reply was closed by another process")
    hint = json.dumps({"seq": seq, **payload}, ensure_ascii=False)
    if len(hint.encode()) > MAX_NOTIFY_BYTES:
        hint = json.dumps({"seq": seq})
    wake(connection, talk, hint)
    return Recorded(seq=seq, event=event)


async def _advance(connection: Connection, advance: Advance) -> Capture:
    capture = advance.capture
    row = await queries.advance_capture(
        connection,
        capture=capture.id,
        epoch=capture.epoch,
        old_offset=capture.offset,
        new_offset=advance.offset,
        utterances=advance.utterances,
    )
    if row is None:
        raise TakenOver(f"a newer connection writes the capture {capture.id}")
    return _capture(row)


async def _close_orphan(connection: Connection, talk: TalkId, reply: ReplyId) -> bool:
    """Finish a reply whose owner is gone, with the clauses it had stored."""
    _found(await queries.lock_talk(connection, talk=talk))
    if await queries.finish_orphan(connection, reply=reply, lease=REPLY_LEASE_S) is None:
        return False  # finished meanwhile, or its owner is back
    await _tell_interrupted(connection, talk, reply)
    return True


async def _tell_interrupted(connection: Connection, talk: TalkId, reply: ReplyId) -> None:
    """The event of a reply that was closed for its owner."""
    text = joined(await _clauses(connection, talk, reply))
    seq = _found(await queries.take_seq(connection, talk=talk))
    event = ReplyFinished(reply_id=reply, status="interrupted", text=text)
    await queries.insert_event(
        connection, talk=talk, seq=seq, event_id=new_id(), payload=encode(event)
    )
    await lines.follow(connection, talk, seq, event)
    wake(connection, talk, json.dumps({"seq": seq}))


async def _clauses(connection: Connection, talk: TalkId, reply: ReplyId) -> list[ReplyClause]:
    rows = queries.clauses_of(connection, talk=talk, reply=reply)
    return [ReplyClause.model_validate(row["payload"]) async for row in rows]


def _found(value: Any) -> Any:
    if value is None:
        raise NotFound("there is no such talk, or it is not yours")
    return value


def _recorded(row: Any) -> Recorded:
    return Recorded(seq=row["seq"], event=decode_stored(row["payload"]))


def _capture(row: Any) -> Capture:
    return Capture(
        id=CaptureId(row["id"]),
        talk=TalkId(row["talk_id"]),
        participant=UserId(row["user_id"]),
        epoch=row["epoch"],
        offset=row["durable_offset"],
        started_ms=row["started_ms"],
        utterances=row["utterances"],
        age_ms=row.get("age_ms", 0),
    )
