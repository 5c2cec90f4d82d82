"""Talks, their members, and what was said in them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from kaiwa.domain.events import Recorded, UtteranceEdited, UtteranceFinal, encode_recorded
from kaiwa.domain.ids import TalkId, UserId, UtteranceId, new_id
from kaiwa.domain.talk import Member, Mode, Role, Talk, TalkChanges, TalkSettings
from kaiwa.errors import BadRequest, Forbidden, StreamStalled
from kaiwa.policy.export import FORMS, export
from kaiwa.policy.importing import imported
from kaiwa.ports.event_log import EventLog
from kaiwa.web.asking import (
    Asker,
    Asking,
    IdempotencyKey,
    Ownable,
    Readable,
    SoundFormat,
    Speakable,
    event_id,
)

router = APIRouter(tags=["talks"])

PAGE = 500
IMPORT_S = 60.0
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=8_000)]


_EXPORT: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}
}


class Talks(BaseModel):
    talks: list[Talk]


class Members(BaseModel):
    members: list[Member]


class NewMember(BaseModel):
    name: str = Field(max_length=60)
    role: Role = Role.SPEAKER


class Said(BaseModel):
    text: Text


@router.get("/talks")
async def list_talks(services: Asking, user: Asker) -> Talks:
    return Talks(talks=await services.talks.of(user.id))


@router.post("/talks", status_code=201)
async def create_talk(
    services: Asking,
    user: Asker,
    key: IdempotencyKey,
    settings: TalkSettings | None = None,
) -> Talk:
    talk = await services.talks.create(user, settings or TalkSettings(), key)
    await services.responder.prefill(talk)  # the instructions, before the first word is said
    return talk


@router.post("/talks/import", status_code=201, openapi_extra=_EXPORT)
async def import_talk(services: Asking, user: Asker, key: IdempotencyKey, request: Request) -> Talk:
    """A new talk of one's own, from `export?format=json`. Who was a member there is none here."""
    async with services.importing:  # a large one takes memory and time
        try:
            async with asyncio.timeout(IMPORT_S):
                body = await request.body()
        except TimeoutError as error:
            raise StreamStalled(f"the file did not come in {IMPORT_S:.0f} s") from error
        talk = await asyncio.to_thread(imported, body)
        return await services.talks.take_in(user, talk, key)


@router.get("/talks/{talk_id}")
async def get_talk(talk: Readable) -> Talk:
    return talk


@router.patch("/talks/{talk_id}")
async def change_talk(
    talk: Speakable,
    services: Asking,
    user: Asker,
    changes: TalkChanges,
) -> Talk:
    given = changes.model_dump(mode="json", exclude_none=True)
    if not given.keys().isdisjoint(("retention_days", "recording")) and talk.role is not Role.OWNER:
        raise Forbidden("only an owner says how long a talk is kept, and whether it is recorded")
    return await services.talks.update(talk.id, user.id, given)


@router.delete("/talks/{talk_id}", status_code=204)
async def delete_talk(talk: Ownable, services: Asking, user: Asker) -> None:
    await services.talks.delete(talk.id, user.id)


@router.put("/talks/{talk_id}/archive", status_code=204)
async def put_away(talk: Readable, services: Asking, user: Asker) -> None:
    """For oneself alone."""
    await services.talks.archive(talk.id, user.id, True)


@router.delete("/talks/{talk_id}/archive", status_code=204)
async def take_out(talk: Readable, services: Asking, user: Asker) -> None:
    await services.talks.archive(talk.id, user.id, False)


@router.get("/talks/{talk_id}/members")
async def list_members(talk: Readable, services: Asking) -> Members:
    return Members(members=await services.talks.members(talk.id))


@router.post("/talks/{talk_id}/members", status_code=201)
async def add_member(talk: Ownable, services: Asking, given: NewMember) -> Member:
    return await services.talks.add_member(talk.id, given.name, given.role)


@router.delete("/talks/{talk_id}/members/{participant}", status_code=204)
async def remove_member(talk: Readable, participant: str, services: Asking, user: Asker) -> None:
    """Owners remove anyone; everybody may leave."""
    if talk.role is not Role.OWNER and participant != user.id:
        raise Forbidden("only an owner may remove others")
    await services.talks.remove_member(talk.id, UserId(participant), by=user.id)


@router.post("/talks/{talk_id}/messages", status_code=201)
async def say(
    talk: Speakable, services: Asking, user: Asker, key: IdempotencyKey, said: Said
) -> dict[str, Any]:
    """A typed utterance."""
    now_ms = max(0, int((time.time() - talk.created_at.timestamp()) * 1000))
    event = UtteranceFinal(
        utterance_id=UtteranceId(new_id()),
        participant=user.id,
        name=user.name,
        text=said.text,
        language="" if talk.language == "auto" else talk.language,
        started_ms=now_ms,
        ended_ms=now_ms,
    )
    async with AsyncExitStack() as stack:
        if talk.mode is not Mode.BUTTON:
            await stack.enter_async_context(services.floors.attending(talk))
        recorded = await services.event_log.append(
            talk.id, event, event_id=event_id("message", user, key)
        )
    if talk.mode is Mode.BUTTON:
        await services.responder.prefill(talk)
    return encode_recorded(recorded)


@router.patch("/talks/{talk_id}/utterances/{utterance_id}")
async def correct(
    talk: Speakable, utterance_id: str, services: Asking, user: Asker, said: Said
) -> dict[str, Any]:
    """Correct a misheard text of one's own; the original is kept."""
    original = await services.event_log.utterance(talk.id, UtteranceId(utterance_id))
    if original.participant != user.id:
        raise Forbidden("you can correct your own words only")
    edited = UtteranceEdited(utterance_id=utterance_id, text=said.text, by=user.id)
    return encode_recorded(await services.event_log.append(talk.id, edited))


@router.get("/talks/{talk_id}/utterances/{utterance_id}/sound")
async def sound(
    talk: Readable, utterance_id: str, services: Asking, media_type: SoundFormat
) -> Response:
    """What was said there, if the talk was being recorded."""
    found = await services.recordings.find(talk.id, UtteranceId(utterance_id), media_type)
    return Response(
        found.data,
        media_type=found.media_type,
        headers={"vary": "accept"},
    )


@router.get("/talks/{talk_id}/events")
async def events(
    talk: Readable,
    services: Asking,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
) -> dict[str, Any]:
    page = await services.event_log.read(talk.id, after, limit)
    return {"events": [encode_recorded(recorded) for recorded in page], "seq": talk.seq}


@router.get("/talks/{talk_id}/export")
async def export_talk(
    talk: Readable, services: Asking, form: Annotated[str, Query(alias="format")] = "txt"
) -> Response:
    if form not in FORMS:
        raise BadRequest(f"format is one of {', '.join(FORMS)}")
    events = await _all_events(services.event_log, talk.id)
    media_type, text = await asyncio.to_thread(export, talk, events, form)
    name = quote(f"{talk.title or 'kaiwa'}.{form}", safe="")
    return Response(
        text,
        media_type=f"{media_type}; charset=utf-8",
        headers={"content-disposition": f"attachment; filename*=UTF-8''{name}"},
    )


@router.get("/search")
async def search(
    services: Asking, user: Asker, q: Annotated[str, Query(min_length=1, max_length=200)]
) -> dict[str, Any]:
    """What contains the text as it stands now, in any talk of mine; newest first. Width, case and
    kana do not matter, and kana find what is read so."""
    found = await services.talks.search(user.id, q, limit=50)
    return {
        "results": [
            {
                "talk": hit.talk,
                "title": hit.title,
                "seq": hit.seq,
                "utterance_id": None if hit.is_reply else hit.id,
                "reply_id": hit.id if hit.is_reply else None,
                "text": hit.text,
                "name": hit.name,
                "at": hit.at,
            }
            for hit in found
        ]
    }


async def _all_events(event_log: EventLog, talk: TalkId) -> Sequence[Recorded]:
    found: list[Recorded] = []
    while page := await event_log.read(talk, found[-1].seq if found else 0):
        found += page
    return found
