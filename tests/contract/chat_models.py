"""How the tests of chat models talk to one."""

from __future__ import annotations

import pytest

from kaiwa.adapters.llm_http import Waits
from kaiwa.errors import ModelDown
from kaiwa.ports.llm import ChatMessage, ChatModel
from tests.ports import free_port

HELLO = [ChatMessage("system", "Be brief."), ChatMessage("user", "やあ")]
IMPATIENT = Waits(first_token_s=60.0, stall_s=0.2)  # between pieces
GENEROUS_S = 60.0  # nothing here takes long; this only keeps a broken test from hanging


async def read(model: ChatModel, messages: list[ChatMessage] = HELLO, talk: str = "") -> list[str]:
    async with model.stream(messages, talk=talk) as pieces:
        return [piece async for piece in pieces]


async def read_until_down(model: ChatModel) -> tuple[list[str], ModelDown]:
    """What came before the model went down, and how it says so."""
    got: list[str] = []
    with pytest.raises(ModelDown) as down:
        async with model.stream(HELLO) as pieces:
            async for piece in pieces:
                got.append(piece)
    assert down.value.retryable
    assert "\n" not in down.value.message
    return got, down.value


def closed_url() -> str:
    """A loopback address at which nobody listens."""
    return f"http://127.0.0.1:{free_port()}"
