"""The models of this server: what is here, what is in use, fetching others, trying them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, StringConstraints

from kaiwa.domain.audio import SAMPLE_RATE
from kaiwa.domain.chat import ChatMessage
from kaiwa.domain.talk import User
from kaiwa.errors import Conflict, Forbidden, KaiwaError, ModelDown, NotFound, StreamStalled
from kaiwa.models.pulls import Pull
from kaiwa.web.asking import Asker, Asking
from kaiwa.web.services import Services
from kaiwa.web.sound import error_values

router = APIRouter(tags=["models"])

TRY_S: Final = 60.0
BODY_S: Final = 15.0
SPEECH_BYTES: Final = 8 * SAMPLE_RATE * 2
"""Of what is tried: eight seconds."""
ANSWER: Final = 300
"""Characters of an answer that is tried; it is stopped then."""

_SOUND: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"audio/L16": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class WantedModel(BaseModel):
    """`name`: of the list; a repository of the hub (speech); any of Ollama's, where it is used."""

    use: Literal["speech", "chat", "turn"]
    name: str = Field(max_length=200, pattern=r"^[A-Za-z0-9][\w.-]*(/[\w.-]+)*(:[\w.-]+)?$")


class SpeechModel(BaseModel):
    """The name of weights that are here."""

    name: str = Field(max_length=200)


class Sentence(BaseModel):
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    model: str = Field("", max_length=200, description="empty: the server's default")


@router.get("/models")
async def models(services: Asking, user: Asker) -> dict[str, Any]:
    chat: dict[str, Any] = {"kind": services.model.kind, "models": [], "error": None}
    try:
        found = await services.model.models()
        chat["models"] = [{"name": model.name, "size": model.size} for model in found]
    except KaiwaError as error:
        chat["error"] = {"code": error.code, "message": error.message}
    owner = await services.accounts.is_machine_owner(user.id)
    return {
        "chat": chat,
        "weights": await asyncio.to_thread(services.weights),
        "pull": _shown(services.pulls.newest),
        "may_pull": owner,
        "may_change": owner and services.change_recogniser is not None,
    }


@router.get("/models/pull")
async def pull(services: Asking, user: Asker) -> dict[str, Any]:
    """How far the newest pull of this process is."""
    return {"pull": _shown(services.pulls.newest)}


@router.post("/models/pull", status_code=202)
async def begin_pull(services: Asking, user: Asker, wanted: WantedModel) -> dict[str, Any]:
    await _check_owner(services, user)
    return {"pull": _shown(services.pulls.begin(wanted.use, wanted.name))}


@router.delete("/models/pull", status_code=204)
async def stop_pull(services: Asking, user: Asker) -> None:
    """What has come stays, and the next pull goes on from there."""
    await _check_owner(services, user)
    services.pulls.stop()


@router.put("/models/speech", status_code=204)
async def change_recogniser(services: Asking, user: Asker, wanted: SpeechModel) -> None:
    """Recognise from now on with other weights that are here, in this process and after its next
    start; answers when they are loaded."""
    await _check_owner(services, user)
    if services.change_recogniser is None:
        raise Conflict("the settings say which recogniser it is: KAIWA_ASR_MODEL or KAIWA_ASR_URL")
    here = await asyncio.to_thread(services.weights)
    if not any(
        row["name"] == wanted.name and row["use"] == "speech" and row["installed"] for row in here
    ):
        raise NotFound(f"{wanted.name} is no speech model that is here; fetch it first")
    await services.change_recogniser(wanted.name)


@router.post("/models/try/speech", openapi_extra=_SOUND)
async def try_speech(
    services: Asking,
    user: Asker,
    request: Request,
    language: Annotated[str, Query(pattern=r"^(auto|[a-z]{2,3})$")] = "auto",
) -> dict[str, Any]:
    """What the recogniser makes of at most eight seconds of L16."""
    try:
        async with asyncio.timeout(BODY_S):
            sound = (await request.body())[:SPEECH_BYTES]
    except TimeoutError as error:
        raise StreamStalled(f"the sound did not come in {BODY_S:.0f} s") from error
    async with _trying(services):
        began = time.monotonic()
        samples = np.frombuffer(sound[: len(sound) // 2 * 2], "<i2")
        known = None if language == "auto" else language
        async with services.recogniser.segment(language=known) as segment:
            segment.feed(samples)
            said = await segment.final()
    return {"text": said.text, "language": said.language, "ms": _since(began)}


@router.post("/models/try/chat")
async def try_chat(services: Asking, user: Asker, asked: Sentence) -> dict[str, Any]:
    """How a model answers one sentence, outside of any talk."""
    async with _trying(services):
        began = time.monotonic()
        text = ""
        try:
            async with (
                asyncio.timeout(TRY_S),
                services.model.stream(
                    [ChatMessage(role="user", content=asked.text)], model=asked.model
                ) as pieces,
            ):
                async for piece in pieces:
                    text += piece
                    if len(text) > ANSWER:
                        break
        except TimeoutError as error:
            raise ModelDown(f"no whole answer within {TRY_S:.0f} s") from error
    return {"text": text[:ANSWER].strip(), "ms": _since(began)}


@asynccontextmanager
async def _trying(services: Services) -> AsyncIterator[None]:
    """One trial at a time: talks come first. Raises Conflict."""
    if services.trying.locked():
        raise Conflict("somebody is trying a model just now; try again in a moment")
    async with services.trying:
        yield


async def _check_owner(services: Services, user: User) -> None:
    if not await services.accounts.is_machine_owner(user.id):
        raise Forbidden("only this machine's owner fetches and changes models")


def _shown(pull: Pull | None) -> dict[str, Any] | None:
    if pull is None:
        return None
    return {
        "use": pull.use,
        "name": pull.name,
        "state": pull.state,
        "bytes": pull.bytes,
        "total": pull.total,
        "error": None if pull.error is None else error_values(pull.error),
    }


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
