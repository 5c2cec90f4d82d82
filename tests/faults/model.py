"""A chat model in a process of its own, to be killed: `python -m tests.faults.model PORT`."""

from __future__ import annotations

import asyncio
import sys

from tests.fakes.http import Exchange
from tests.fakes.openai import FakeOpenAI, event

PIECES = (
    "それは",
    "いい",
    "質問です。",
    "順番に",
    "お話し",
    "します。",
    "まず、",
    "ここから",
    "です。",
)
PIECE_S = 0.15  # 1.4 s in all


class SlowModel(FakeOpenAI):
    async def handle(self, exchange: Exchange) -> None:
        await exchange.begin("text/event-stream")
        for piece in PIECES:
            await asyncio.sleep(PIECE_S)
            await exchange.chunk(event({"choices": [{"delta": {"content": piece}}]}))
        await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.end()


async def main(port: int) -> None:
    async with SlowModel.run(port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
