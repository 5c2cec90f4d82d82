"""What is OpenAI's or Ollama's own."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from kaiwa.adapters.llm_ollama import OllamaChatModel, PullProgress, detect
from kaiwa.adapters.llm_openai import OpenAIChatModel
from kaiwa.adapters.memory.llm import Hold
from kaiwa.errors import ModelDown
from tests.contract.chat_models import (
    GENEROUS_S,
    HELLO,
    closed_url,
    read,
    read_until_down,
)
from tests.fakes.ollama import FakeOllama
from tests.fakes.openai import FakeOpenAI

pytestmark = pytest.mark.asyncio(loop_scope="module")


# --- OpenAI's API ------------------------------------------------------------------------------


async def test_openai_key() -> None:
    async with FakeOpenAI.run() as server:
        server.key = "secret"
        server.replies = [["はい"]]
        wrong = OpenAIChatModel(server.url, api_key="guess", default_model="small")
        _, down = await read_until_down(wrong)
        assert "API key" in down.message
        right = OpenAIChatModel(f"{server.url}/v1/", api_key="secret", default_model="small")
        assert await read(right) == ["はい"]


async def test_a_password_in_the_address_is_in_no_error() -> None:
    url = closed_url().replace("http://", "http://mari:secret@")
    _, down = await read_until_down(OpenAIChatModel(url, default_model="small"))
    assert "127.0.0.1" in down.message
    assert "mari" not in down.message and "secret" not in down.message


async def test_openai_busy() -> None:
    async with FakeOpenAI.run() as server:
        server.busy = True
        _, down = await read_until_down(OpenAIChatModel(server.url, default_model="small"))
        assert "busy" in down.message


# --- Ollama ------------------------------------------------------------------------------------


async def test_ollama_is_asked_not_to_think_and_to_stay_loaded() -> None:
    async with FakeOllama.run() as server:
        server.replies = [["はい"]]
        await read(OllamaChatModel(server.url, default_model="small"))
        sent = server.chats[-1].json
        assert sent["think"] is False
        assert sent["keep_alive"] == "30m"
        assert sent["options"]["num_ctx"] >= 4096
        await read(OllamaChatModel(server.url, default_model="small", think=True))
        assert server.chats[-1].json["think"] is True


async def test_ollama_models_that_refuse_think_are_asked_without_it() -> None:
    async with FakeOllama.run() as server:
        server.refuses_think = True
        server.replies = [["はい"]]
        model = OllamaChatModel(server.url, default_model="small")
        assert await read(model) == ["はい"]
        assert await read(model) == ["はい"]
        assert ["think" in chat.json for chat in server.chats] == [True, False, False]


async def test_ollama_full_queue() -> None:
    async with FakeOllama.run() as server:
        server.queue = 1
        server.replies = [["一", Hold(asyncio.Event())]]
        model = OllamaChatModel(server.url, default_model="small")
        async with model.stream(HELLO) as pieces:
            assert await anext(pieces) == "一"
            _, down = await read_until_down(model)
        assert "busy" in down.message


async def test_ollama_serves_one_at_a_time_and_a_cancelled_one_makes_room() -> None:
    async with FakeOllama.run() as server:
        server.replies = [["一", Hold(asyncio.Event())], ["二"]]
        model = OllamaChatModel(server.url, default_model="small")
        async with model.stream(HELLO) as pieces:
            assert await anext(pieces) == "一"
            waiting = asyncio.ensure_future(read(model))
        async with asyncio.timeout(GENEROUS_S):
            assert await waiting == ["二"]


async def test_ollama_says_how_to_get_a_model() -> None:
    async with FakeOllama.run() as server:
        _, down = await read_until_down(OllamaChatModel(server.url, default_model="elyza"))
        assert "kaiwa models pull elyza" in down.message
        assert "small:latest" in down.message
        server.names = []
        _, down = await read_until_down(OllamaChatModel(server.url))
        assert "kaiwa models pull" in down.message


async def test_ollama_pull_tells_how_far_it_is() -> None:
    async with FakeOllama.run() as server:
        server.pulls = [
            {"status": "pulling manifest"},
            {"status": "pulling abc", "total": 100, "completed": 40},
            {"status": "success"},
        ]
        model = OllamaChatModel(server.url)
        async with aclosing(model.pull("elyza")) as steps:
            assert [step async for step in steps] == [
                PullProgress("pulling manifest"),
                PullProgress("pulling abc", 40, 100),
                PullProgress("success"),
            ]
        assert server.requests[-1].json == {"model": "elyza"}


async def test_ollama_pull_that_fails() -> None:
    async with FakeOllama.run() as server:
        model = OllamaChatModel(server.url)
        server.pulls = [{"status": "pulling manifest"}, {"error": "file does not exist"}]
        with pytest.raises(ModelDown, match="file does not exist"):
            async with aclosing(model.pull("nothing")) as steps:
                async for _ in steps:
                    pass
        server.pulls = [{"status": "pulling manifest"}]
        with pytest.raises(ModelDown, match="broke off"):
            async with aclosing(model.pull("nothing")) as steps:
                async for _ in steps:
                    pass


async def test_ollama_is_detected() -> None:
    async with FakeOllama.run() as server, FakeOpenAI.run() as other:
        assert await detect(server.url)
        assert not await detect(other.url)
        assert not await detect(closed_url())
