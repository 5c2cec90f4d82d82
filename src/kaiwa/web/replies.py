"""The agent: asking it, stopping it, hearing it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from kaiwa.domain.events import ReplyPlayed
from kaiwa.domain.ids import ClipId, ReplyId
from kaiwa.web.asking import (
    Asker,
    Asking,
    IdempotencyKey,
    Readable,
    SoundFormat,
    Speakable,
    event_id,
)

router = APIRouter(tags=["the agent"])

Id = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class HeardUpTo(BaseModel):
    """A place in a reply: `ms` into clause number `clause`."""

    clause: int = Field(ge=0, le=100_000)
    ms: int = Field(ge=0, le=3_600_000)


class StopReply(BaseModel):
    reply_id: Id
    heard: HeardUpTo | None = None


class HeardReport(HeardUpTo):
    listener: Id
    reply_id: Id


@router.post("/talks/{talk_id}/reply", status_code=202)
async def ask(
    talk: Speakable, services: Asking, user: Asker, key: IdempotencyKey
) -> dict[str, str]:
    reply = await services.responder.ask(talk, cause=user.id, key=event_id("reply", user, key))
    return {"reply_id": reply}


@router.delete("/talks/{talk_id}/reply", status_code=204)
async def stop(
    talk: Speakable, services: Asking, user: Asker, given: StopReply | None = None
) -> None:
    """Stop the reply that is going on, or cut one that is still playing."""
    heard = None
    if given is None:
        going_on = await services.event_log.reply_going_on(talk.id)
        if going_on is None:
            return
        reply = going_on
    else:
        reply = ReplyId(given.reply_id)
        if given.heard is not None:
            heard = (given.heard.clause, given.heard.ms)
    await services.responder.stop(talk.id, reply, user.id, heard)


@router.post("/talks/{talk_id}/heard", status_code=204)
async def heard(talk: Readable, services: Asking, user: Asker, report: HeardReport) -> None:
    played = ReplyPlayed(user=user.id, **report.model_dump())
    await services.event_log.tell(talk.id, played)  # the floor waits for it, the row does not
    await services.event_log.put_heard(
        talk.id, ReplyId(report.reply_id), user.id, report.listener, report.clause, report.ms
    )


@router.get("/talks/{talk_id}/clips/{clip}")
async def clip(talk: Readable, clip: str, services: Asking, media_type: SoundFormat) -> Response:
    found = await services.clips.get(talk, ClipId(clip), media_type)
    return Response(
        found.data,
        media_type=found.media_type,
        headers={"vary": "accept"},
    )
