"""Sound up: a streamed request body, or a WebSocket on the same path."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Header, Query, Request, Response, WebSocket, WebSocketDisconnect
from starlette.requests import ClientDisconnect

from kaiwa.domain.audio import (
    MAGIC_BYTES,
    MEDIA_TYPES,
    Container,
    container_by_content,
    container_of,
)
from kaiwa.domain.ids import CaptureId, is_client_id, new_id
from kaiwa.domain.talk import Role, Talk
from kaiwa.errors import (
    BadRequest,
    Forbidden,
    KaiwaError,
    NotSignedIn,
    StreamStalled,
    UnsupportedMedia,
)
from kaiwa.pipeline.captures import Heard
from kaiwa.pipeline.ingest import SILENT_UPLOAD_S, BrokenOff
from kaiwa.pipeline.tasks import one_error
from kaiwa.web.asking import (
    AskerSession,
    Asking,
    Readable,
    Speakable,
    open_talk,
    services_of,
    signed_in,
)
from kaiwa.web.permits import watched
from kaiwa.web.security_log import note_refusal
from kaiwa.web.services import Services
from kaiwa.web.sessions import SignedIn

router = APIRouter(tags=["sound"])

MAX_OFFSET: Final = 2**48
_CLOSE_OK: Final = 1000
_CLOSE_REFUSED: Final = 1008
_CLOSE_FAILED: Final = 1011

_UNNAMED: Final = ("", "application/octet-stream", "application/x-www-form-urlencoded")
"""What programs say that were not told what they send; the last is curl's."""
_WANTED: Final = (
    "the Content-Type must be one of audio/webm, audio/ogg, audio/mp4, audio/wav, "
    "or audio/L16;rate=16000;channels=1"
)

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES
        },
    }
}

log = structlog.get_logger()


@router.post("/talks/{talk_id}/stream", openapi_extra=_BODY)
async def upload(
    talk: Speakable,
    services: Asking,
    found: AskerSession,
    request: Request,
    content_type: Annotated[str, Header()] = "",
    capture: Annotated[str, Query(max_length=64)] = "",
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
) -> dict[str, Any]:
    """Sound as it is recorded; the answer comes when the body ends."""
    capture_id = _capture_id(capture)
    body = _body(request)
    if content_type.partition(";")[0].strip().lower() in _UNNAMED:
        container, body = await _recognised(body)
    else:
        container = _container(content_type)
    return _result(await _receive(services, found, talk, capture_id, container, offset, body))


# curl -T sends PUT
router.put("/talks/{talk_id}/stream", openapi_extra=_BODY, include_in_schema=False)(upload)


@router.head("/talks/{talk_id}/captures/{capture}")
async def durable_offset(talk: Readable, capture: str, services: Asking) -> Response:
    found = await services.event_log.capture(talk.id, CaptureId(capture))
    return Response(headers={"upload-offset": str(found.offset)})


@router.websocket("/talks/{talk_id}/stream")
async def upload_by_websocket(
    socket: WebSocket,
    talk_id: str,
    content_type: Annotated[str, Query(alias="type")] = "",
    capture: Annotated[str, Query(max_length=64)] = "",
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
) -> None:
    await socket.accept()
    code = _CLOSE_OK
    try:
        services = services_of(socket)
        found = await signed_in(socket)
        talk = await open_talk(services, found.user, talk_id, Role.SPEAKER)
        capture_id, container = _capture_id(capture), _container(content_type)
        body = _messages(socket)
        heard = await _receive(services, found, talk, capture_id, container, offset, body)
        answer: dict[str, Any] = {"type": "result", **_result(heard)}
    except BrokenOff:
        return
    except KaiwaError as error:
        answer = {"type": "error", "error": error_values(error)}
        if error.status < 500:
            note_refusal(socket, error.code)
        refused = isinstance(error, NotSignedIn | Forbidden)
        code = _CLOSE_REFUSED if refused else _CLOSE_FAILED
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it may be gone by now
        await socket.send_text(json.dumps(answer, ensure_ascii=False))
        await socket.close(code)


def error_values(error: KaiwaError) -> dict[str, Any]:
    """An error as the wire carries it."""
    return {"code": error.code, "message": error.message, "retryable": error.retryable}


async def _receive(
    services: Services,
    found: SignedIn,
    talk: Talk,
    capture: CaptureId,
    container: Container,
    offset: int,
    body: AsyncGenerator[bytes, None],
) -> Heard:
    """The upload, until it ends or its sender may not speak here any more."""
    captures, user = services.captures, found.user

    def lost() -> None:
        captures.end(talk.id, user.id)

    with one_error():
        async with watched(services, found, talk.id, Role.SPEAKER, lost):
            return await captures.receive(talk, user, capture, container, offset, body)


async def _body(request: Request) -> AsyncGenerator[bytes, None]:
    try:
        async for data in request.stream():
            if data:
                yield data
    except ClientDisconnect as error:
        raise BrokenOff("the upload broke off") from error


async def _messages(socket: WebSocket) -> AsyncGenerator[bytes, None]:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise BrokenOff("the upload broke off")
        data = message.get("bytes")
        if data is not None:
            yield data
        elif _is_end(message.get("text") or ""):
            return
        else:
            raise BadRequest('a text message is {"type": "end"}; sound goes in binary ones')


def _is_end(text: str) -> bool:
    try:
        values = json.loads(text)
    except ValueError:
        return False
    return isinstance(values, dict) and values.get("type") == "end"


def _container(content_type: str) -> Container:
    container = container_of(content_type)
    if container is None:
        raise UnsupportedMedia(_WANTED)
    return container


async def _recognised(
    body: AsyncGenerator[bytes, None],
) -> tuple[Container, AsyncGenerator[bytes, None]]:
    """What an upload that names no type is, by how it begins; and the whole of it again."""
    head = b""
    try:
        async with asyncio.timeout(SILENT_UPLOAD_S):
            async for data in body:
                head += data
                if len(head) >= MAGIC_BYTES:
                    break
    except TimeoutError as error:
        raise StreamStalled(f"no sound came for {SILENT_UPLOAD_S:.0f} s") from error
    container = container_by_content(head)
    if container is None:
        raise UnsupportedMedia(_WANTED)

    async def whole() -> AsyncGenerator[bytes, None]:
        yield head
        async for data in body:
            yield data

    return container, whole()


def _capture_id(given: str) -> CaptureId:
    if not given:
        return CaptureId(new_id())
    if not is_client_id(given):
        raise BadRequest("a capture's id is 8 to 64 of A-Z a-z 0-9 _ -")
    return CaptureId(given)


def _result(heard: Heard) -> dict[str, Any]:
    return {
        "capture": heard.capture,
        "duration_ms": heard.duration_ms,
        "utterances": [
            utterance.model_dump(
                include={"utterance_id", "text", "language", "started_ms", "ended_ms"}
            )
            for utterance in heard.utterances
        ],
    }
