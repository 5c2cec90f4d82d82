"""A server that behaves as Ollama does: JSON lines, an error as a line under the status 200, one
request at a time and a bounded queue before 503, models that refuse `think`, pulls with progress.

After Ollama's API documentation (docs/api.md in its repository) and what its issues report.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from kaiwa.adapters.memory.llm import Fail, Hold
from tests.fakes.http import BreakOff, Exchange, FakeModelServer, Raw


@dataclass
class FakeOllama(FakeModelServer):
    queue: int = 512
    """OLLAMA_MAX_QUEUE: requests that may wait for the one that is served."""
    refuses_think: bool = False
    pulls: list[dict[str, Any]] = field(default_factory=list)
    waiting: int = 0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # OLLAMA_NUM_PARALLEL=1

    async def handle(self, exchange: Exchange) -> None:
        request = exchange.request
        match request.method, request.path:
            case "GET", "/api/version":
                await exchange.answer(200, {"version": "0.12.6"})
            case "GET", "/api/tags":
                listed = [{"name": f"{name}:latest", "size": 1_000_000} for name in self.names]
                await exchange.answer(200, {"models": listed})
            case "POST", "/api/chat":
                await self._queue(exchange)
            case "POST", "/api/pull":
                await exchange.begin("application/x-ndjson")
                for step in self.pulls:
                    await exchange.chunk(_line(step))
                await exchange.end()
            case _:
                await exchange.answer(404, {"error": "404 page not found"})

    async def _queue(self, exchange: Exchange) -> None:
        wanted = exchange.request.json["model"].removesuffix(":latest")
        if wanted not in self.names:
            return await exchange.answer(404, {"error": f"model '{wanted}' not found"})
        if self.refuses_think and "think" in exchange.request.json:
            return await exchange.answer(400, {"error": f'"{wanted}" does not support thinking'})
        if self.waiting >= self.queue:
            busy = "server busy, please try again.  maximum pending requests exceeded"
            return await exchange.answer(503, {"error": busy})
        self.waiting += 1
        try:
            async with self._turn:
                await self._chat(exchange)
        finally:
            self.waiting -= 1
        return None

    async def _chat(self, exchange: Exchange) -> None:
        await exchange.begin("application/x-ndjson")
        for step in self.next_reply():
            match step:
                case str():
                    message = {"role": "assistant", "content": step}
                    await exchange.chunk(_line({"message": message, "done": False}))
                case Hold():
                    await step.until.wait()
                case Fail():
                    await exchange.chunk(_line({"error": step.message}))
                    return await exchange.end()
                case BreakOff():
                    return exchange.break_off()
                case Raw():
                    await exchange.chunk(step.data)
        last = {"message": {"role": "assistant", "content": ""}, "done": True}
        await exchange.chunk(_line({**last, "done_reason": "stop", "eval_count": 1}))
        return await exchange.end()


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
