"""Any server that speaks OpenAI's chat completions: llama.cpp, vLLM, LM Studio, a cloud."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx

from kaiwa.adapters import llm_http
from kaiwa.adapters.llm_http import Delta, Waits
from kaiwa.errors import ModelDown
from kaiwa.ports.llm import ChatMessage, ChatModelInfo

MAX_TOKENS = 1024  # a spoken answer is far shorter; small models sometimes do not stop


class OpenAIChatModel:
    """`base_url` with or without its `/v1`; `default_model` empty means the first one listed."""

    prefills = False
    continues = False  # some of these servers would, some answer their own words

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str = "",
        default_model: str = "",
        kind: str = "openai",
        waits: Waits | None = None,
    ) -> None:
        self.kind = kind
        self._waits = waits or Waits()
        self._default = default_model
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else None
        self._client = llm_http.new_client(base_url.rstrip("/").removesuffix("/v1"), headers)

    @asynccontextmanager
    async def stream(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str = "",
        talk: str = "",
        extra: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[AsyncIterator[str]]:
        """As the port says. `extra`: fields of the request that only this server knows."""
        first_by = asyncio.get_running_loop().time() + self._waits.first_token_s
        name = model or await self._default_name()
        body = {
            "model": name,
            "messages": [{"role": each.role, "content": each.content} for each in messages],
            "stream": True,
            "max_tokens": MAX_TOKENS,
            **(extra or {}),
        }
        request = self._client.build_request("POST", "/v1/chat/completions", json=body)
        opened = llm_http.open_response(self._client, request, wait_s=self._waits.first_token_s)
        async with opened as response:
            if response.status_code != httpx.codes.OK:
                raise self._refusal(
                    name, response.status_code, await llm_http.read_body(self._client, response)
                )
            reply = llm_http.pieces(
                self._client, response, self._parse, waits=self._waits, first_by=first_by
            )
            async with aclosing(reply) as text:
                yield text

    async def prefill(self, messages: Sequence[ChatMessage], *, talk: str) -> None:
        """Nothing: whose slot a prompt would warm is the server's secret."""

    async def models(self) -> list[ChatModelInfo]:
        answer = await llm_http.get_json(self._client, "/v1/models")
        try:
            names = [str(entry["id"]) for entry in answer["data"]]
        except (KeyError, TypeError) as error:
            raise ModelDown(f"{self._where} lists no models as OpenAI's API does") from error
        names.sort(key=lambda name: name != self._default)
        return [ChatModelInfo(name) for name in names]

    async def ready(self) -> None:
        names = [info.name for info in await self.models()]
        if not names:
            raise ModelDown(f"{self._where} has no model")
        if self._default and self._default not in names:
            raise ModelDown(f"{self._where} has no model {self._default}, but {_some(names)}")

    async def close(self) -> None:
        await self._client.aclose()

    async def _default_name(self) -> str:
        if not self._default:
            listed = await self.models()
            if not listed:
                raise ModelDown(f"{self._where} has no model")
            self._default = listed[0].name
        return self._default

    def _refusal(self, model: str, status: int, body: bytes) -> ModelDown:
        if status == httpx.codes.NOT_FOUND:
            says = llm_http.error_text(body) or "not found"
            return ModelDown(f"{self._where} has no model {model} (404: {says})")
        return llm_http.refusal(self._client, status, body)

    def _parse(self, line: bytes) -> Delta:
        """One line of the event stream; comments and other fields say nothing."""
        field, _, value = line.partition(b":")
        value = value.strip()
        if field == b"data" and value == b"[DONE]":
            return Delta(done=True)
        if field not in (b"data", b"error"):  # older llama.cpp has a field `error`
            return Delta()
        try:
            event = json.loads(value)
        except ValueError as error:
            raise ModelDown(f"{self._where} sent an event that is no JSON") from error
        if not isinstance(event, dict) or field == b"error" or event.get("error"):
            raise llm_http.failure(self._client, value)
        choices = event.get("choices") or [{}]
        delta = choices[0].get("delta") or {}
        return Delta(
            text=delta.get("content") or "",
            thought=delta.get("reasoning_content") or delta.get("reasoning") or "",
            done=bool(choices[0].get("finish_reason")),
        )

    @property
    def _where(self) -> str:
        return llm_http.where(self._client)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
