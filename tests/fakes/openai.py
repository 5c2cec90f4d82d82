"""A server that speaks OpenAI's chat completions as the real ones do: events, `[DONE]`, errors as
an event once the stream has begun, 401, 404, 429."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from kaiwa.adapters.memory.llm import Fail, Hold
from tests.fakes.http import BreakOff, Exchange, FakeModelServer, Raw


@dataclass
class FakeOpenAI(FakeModelServer):
    key: str = ""
    busy: bool = False

    async def handle(self, exchange: Exchange) -> None:
        request = exchange.request
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            await exchange.answer(401, _error("Incorrect API key provided"))
        elif (request.method, request.path) == ("GET", "/v1/models"):
            listed = [{"id": name, "object": "model"} for name in self.names]
            await exchange.answer(200, {"object": "list", "data": listed})
        elif (request.method, request.path) != ("POST", "/v1/chat/completions"):
            await exchange.answer(404, _error("no such path"))
        elif request.json["model"] not in self.names:
            await exchange.answer(404, _error(f"model {request.json['model']} does not exist"))
        elif self.busy:
            await exchange.answer(429, _error("Rate limit reached"))
        else:
            await self._chat(exchange)

    async def _chat(self, exchange: Exchange) -> None:
        await exchange.begin("text/event-stream")
        await exchange.chunk(b": a comment, as servers send to keep a connection\n\n")
        await exchange.chunk(event({"choices": [{"delta": {"role": "assistant"}}]}))
        for step in self.next_reply():
            match step:
                case str():
                    await exchange.chunk(event({"choices": [{"delta": {"content": step}}]}))
                case Hold():
                    await step.until.wait()
                case Fail():
                    await exchange.chunk(event(_error(step.message)))
                    return await exchange.end()
                case BreakOff():
                    return exchange.break_off()
                case Raw():
                    await exchange.chunk(step.data)
        await exchange.chunk(event({"choices": [{"delta": {}, "finish_reason": "stop"}]}))
        await exchange.chunk(b"data: [DONE]\n\n")
        return await exchange.end()


def event(value: Any) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": None}}
