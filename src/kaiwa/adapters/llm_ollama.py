"""Ollama, by its own API: it can switch thinking off, keep weights loaded, and pull models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from kaiwa.adapters import llm_http
from kaiwa.adapters.llm_http import Delta, Waits
from kaiwa.errors import ModelDown
from kaiwa.ports.llm import ChatMessage, ChatModelInfo

CONTEXT_TOKENS = 8192  # prompt and reply; Ollama's own 4,096 drops the oldest text without a word
MAX_TOKENS = 1024  # a spoken answer is far shorter; small models sometimes do not stop
DETECT_S = 1.0  # a server that is there answers in milliseconds; one that is not must not delay us
PULL_STALL_S = 120.0  # between progress lines; it verifies gigabytes without saying anything


@dataclass(frozen=True, slots=True)
class PullProgress:
    """One step of a download; bytes, `total` 0 where the step has no size."""

    status: str
    completed: int = 0
    total: int = 0


async def detect(base_url: str) -> bool:
    """Whether an Ollama server answers there."""
    client = llm_http.new_client(base_url.rstrip("/"))
    try:
        async with asyncio.timeout(DETECT_S):
            answer = await llm_http.get_json(client, "/api/version")
    except (ModelDown, TimeoutError):
        return False
    finally:
        await client.aclose()
    return isinstance(answer, dict) and "version" in answer


class OllamaChatModel:
    """`default_model` empty means the one used or pulled last, which Ollama lists first."""

    kind = "ollama"
    prefills = False
    continues = True  # ollama/ollama#6778

    def __init__(
        self,
        base_url: str,
        *,
        default_model: str = "",
        think: bool = False,
        keep_alive: str = "30m",
        waits: Waits | None = None,
    ) -> None:
        self._client = llm_http.new_client(base_url.rstrip("/"))
        self._default = default_model
        self._think = think
        self._keep_alive = keep_alive
        self._waits = waits or Waits()
        self._rejects_think: set[str] = set()

    @asynccontextmanager
    async def stream(
        self, messages: Sequence[ChatMessage], *, model: str = "", talk: str = ""
    ) -> AsyncIterator[AsyncIterator[str]]:
        first_by = asyncio.get_running_loop().time() + self._waits.first_token_s
        name = model or await self._default_name()
        body: dict[str, Any] = {
            "model": name,
            "messages": [{"role": each.role, "content": each.content} for each in messages],
            "stream": True,
            "keep_alive": self._keep_alive,
            "options": {"num_ctx": CONTEXT_TOKENS, "num_predict": MAX_TOKENS},
        }
        async with AsyncExitStack() as stack:
            response = await self._open_chat(stack, name, body)
            reply = llm_http.pieces(
                self._client, response, self._parse, waits=self._waits, first_by=first_by
            )
            yield await stack.enter_async_context(aclosing(reply))

    async def prefill(self, messages: Sequence[ChatMessage], *, talk: str) -> None:
        """Nothing: it serves one request at a time, and a reply would queue behind this."""

    async def models(self) -> list[ChatModelInfo]:
        answer = await llm_http.get_json(self._client, "/api/tags")
        try:
            listed = [
                ChatModelInfo(str(entry["name"]), int(entry.get("size") or 0))
                for entry in answer["models"]
            ]
        except (KeyError, TypeError) as error:
            raise ModelDown(f"{self._where} lists no models as Ollama does") from error
        return sorted(listed, key=lambda info: not _same_model(info.name, self._default))

    async def ready(self) -> None:
        names = [info.name for info in await self.models()]
        if not names or (self._default and not _same_model(names[0], self._default)):
            raise self._missing(self._default, names)

    async def pull(self, name: str) -> AsyncGenerator[PullProgress, None]:
        """Download a model, telling how far it is. Raises ModelDown."""
        request = self._client.build_request("POST", "/api/pull", json={"model": name})
        async with (
            llm_http.open_response(self._client, request, wait_s=PULL_STALL_S) as response,
            aclosing(llm_http.lines(self._client, response)) as feed,
        ):
            if response.status_code != httpx.codes.OK:
                body = await llm_http.read_body(self._client, response)
                raise llm_http.refusal(self._client, response.status_code, body)
            while True:
                try:
                    async with asyncio.timeout(PULL_STALL_S):
                        line = await anext(feed, None)
                except TimeoutError:
                    raise ModelDown(f"{self._where} stopped pulling {name}") from None
                if line is None:
                    raise ModelDown(f"{self._where} broke off pulling {name}")
                step = self._object(line)
                status = str(step.get("status", ""))
                yield PullProgress(status, step.get("completed") or 0, step.get("total") or 0)
                if status == "success":
                    return

    async def close(self) -> None:
        await self._client.aclose()

    async def _open_chat(
        self, stack: AsyncExitStack, name: str, body: dict[str, Any]
    ) -> httpx.Response:
        """The response to a chat; asks a second time, without `think`, where that is refused."""
        for last in (False, True):
            asked = not last and name not in self._rejects_think
            fields = {**body, "think": self._think} if asked else body
            request = self._client.build_request("POST", "/api/chat", json=fields)
            response = await stack.enter_async_context(
                llm_http.open_response(self._client, request, wait_s=self._waits.first_token_s)
            )
            if response.status_code == httpx.codes.OK:
                return response
            refused = await llm_http.read_body(self._client, response)
            if asked and _is_about_thinking(response.status_code, refused):
                self._rejects_think.add(name)
                continue
            if response.status_code == httpx.codes.NOT_FOUND:
                raise self._missing(name, [info.name for info in await self.models()])
            break
        raise llm_http.refusal(self._client, response.status_code, refused)

    async def _default_name(self) -> str:
        if not self._default:
            listed = await self.models()
            if not listed:
                raise self._missing("", [])
            self._default = listed[0].name
        return self._default

    def _missing(self, name: str, installed: Sequence[str]) -> ModelDown:
        has = f"it has {', '.join(installed[:5])}" if installed else "it has none"
        return ModelDown(
            f"{self._where} has no model {name}".rstrip()
            + f"; `kaiwa models pull {name or 'NAME'}` gets it ({has})"
        )

    def _parse(self, line: bytes) -> Delta:
        step = self._object(line)
        message = step.get("message") or {}
        return Delta(
            text=message.get("content") or "",
            thought=message.get("thinking") or "",
            done=bool(step.get("done")),
        )

    def _object(self, line: bytes) -> dict[str, Any]:
        """A line of the stream; an `error` comes as one, under the status 200."""
        try:
            value = json.loads(line)
        except ValueError as error:
            raise ModelDown(f"{self._where} sent a line that is no JSON") from error
        if not isinstance(value, dict) or value.get("error"):
            raise llm_http.failure(self._client, line)
        return value

    @property
    def _where(self) -> str:
        return llm_http.where(self._client)


def _is_about_thinking(status: int, body: bytes) -> bool:
    """Whether a refusal is about the field `think`: a model, or a server, that does not know it."""
    return status == httpx.codes.BAD_REQUEST and "think" in llm_http.error_text(body).lower()


def _same_model(name: str, wanted: str) -> bool:
    """Ollama adds `:latest` to a name without a tag."""
    return bool(wanted) and name == (wanted if ":" in wanted else f"{wanted}:latest")
