"""llama.cpp itself, in its child."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from kaiwa.adapters import llm_embedded
from kaiwa.adapters.llm_embedded import EmbeddedChatModel
from kaiwa.adapters.llm_openai import OpenAIChatModel
from kaiwa.errors import ModelDown, ModelMissing
from kaiwa.models.catalogue import model as catalogue_model
from kaiwa.models.store import ModelStore
from kaiwa.ports.llm import ChatMessage
from tests.contract.chat_models import (
    GENEROUS_S,
    HELLO,
    read,
    read_until_down,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def embedded() -> AsyncIterator[EmbeddedChatModel]:
    weights = catalogue_model("qwen2.5-coder-1.5b-instruct")
    path = ModelStore().path(weights) / weights.files[0].name
    model = EmbeddedChatModel(path, name=weights.name)
    yield model
    await model.close()


@pytest.fixture(autouse=True)
def likeliest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answers each time."""
    monkeypatch.setattr(llm_embedded, "SAMPLING", llm_embedded.SAMPLING | {"temperature": 0})


OWNER = """
import asyncio, pathlib, sys
from kaiwa.adapters.llm_embedded import EmbeddedChatModel

async def own():
    model = EmbeddedChatModel(pathlib.Path(sys.argv[1]))
    await model.ready()
    print(model.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(own())
"""
"""A process that holds a model until it is killed."""

LONG_STORY = [
    ChatMessage("system", "You are a story teller. Tell very long stories."),
    ChatMessage("user", "Tell me a long story about a cat and a dog."),
]


@pytest.mark.real
async def test_llama_is_started_once_for_all_who_wait(embedded: EmbeddedChatModel) -> None:
    await asyncio.gather(*(embedded.ready() for _ in range(3)))
    children = psutil.Process().children(recursive=True)
    holding = [
        child for child in children if "kaiwa.adapters.llm_embedded_child" in child.cmdline()
    ]
    assert [child.pid for child in holding] == [embedded.pid]


@pytest.mark.real
async def test_llama_answers_in_pieces_by_what_was_said_before(
    embedded: EmbeddedChatModel,
) -> None:
    pieces = await read(
        embedded,
        [
            ChatMessage("system", "You are a helpful assistant. Answer in one short sentence."),
            ChatMessage("user", "My name is Hanako and I live in Kyoto."),
            ChatMessage("assistant", "Nice to meet you, Hanako."),
            ChatMessage("user", "What is my name, and where do I live?"),
        ],
    )
    answer = "".join(pieces)
    assert len(pieces) > 3
    assert "Hanako" in answer
    assert "Kyoto" in answer


@pytest.mark.real
async def test_llama_goes_on_from_the_beginning_of_its_answer(embedded: EmbeddedChatModel) -> None:
    asked = [
        ChatMessage("system", "Answer in one short sentence."),
        ChatMessage("user", "What is the capital of Japan?"),
        ChatMessage("assistant", "Let's see, the capital of"),
    ]
    assert embedded.continues
    said = "".join(await read(embedded, asked))
    assert "Tokyo" in said and "Let's see" not in said


@pytest.mark.real
async def test_llama_speaks_japanese(embedded: EmbeddedChatModel) -> None:
    messages = [
        ChatMessage("system", "短く日本語で答えてください。"),
        ChatMessage("user", "日本の首都はどこですか。"),
    ]
    said = "".join(await read(embedded, messages))
    assert "東京" in said or "Tokyo" in said


@pytest.mark.real
async def test_llama_stops_when_the_block_is_left(embedded: EmbeddedChatModel) -> None:
    """The only slot of a talk is free again: the next reply of that talk does not wait."""
    async with embedded.stream(LONG_STORY, talk="a") as pieces:
        await anext(pieces)
    short = [ChatMessage("user", "Say yes.")]
    async with asyncio.timeout(GENEROUS_S):
        assert await read(embedded, short, talk="a")


@pytest.mark.real
async def test_llama_gives_replies_at_the_same_time(embedded: EmbeddedChatModel) -> None:
    async with embedded.stream(LONG_STORY, talk="a") as first:
        await anext(first)
        async with asyncio.timeout(GENEROUS_S):
            assert await read(embedded, [ChatMessage("user", "Say yes.")], talk="b")
        await anext(first)


@pytest.mark.real
async def test_llama_killed_is_down_and_starts_again(embedded: EmbeddedChatModel) -> None:
    await embedded.ready()
    killed = embedded.pid
    assert killed is not None
    with pytest.raises(ModelDown, match="starts again"):
        async with embedded.stream(LONG_STORY) as pieces:
            await anext(pieces)
            os.kill(killed, signal.SIGKILL)
            async for _ in pieces:
                pass
    assert await read(embedded, [ChatMessage("user", "Say yes.")])
    assert embedded.pid != killed


@pytest.mark.real
async def test_llama_killed_between_replies_is_not_noticed(embedded: EmbeddedChatModel) -> None:
    await embedded.ready()
    assert embedded.pid is not None
    os.kill(embedded.pid, signal.SIGKILL)  # its end is not known to anybody yet
    assert await read(embedded, [ChatMessage("user", "Say yes.")])


@pytest.mark.real
async def test_llama_hides_its_key_and_refuses_strangers(embedded: EmbeddedChatModel) -> None:
    await embedded.ready()
    child = psutil.Process(embedded.pid)
    assert child.cmdline()[-2:] == ["-m", "kaiwa.adapters.llm_embedded_child"]
    listening = [c for c in child.net_connections() if c.status == psutil.CONN_LISTEN]
    assert [c.laddr.ip for c in listening] == ["127.0.0.1"]
    stranger = OpenAIChatModel(
        f"http://127.0.0.1:{listening[0].laddr.port}", default_model="qwen2.5-coder-1.5b-instruct"
    )
    _, down = await read_until_down(stranger)
    assert "API key" in down.message
    await stranger.close()


@pytest.mark.real
async def test_llama_says_what_it_has(embedded: EmbeddedChatModel) -> None:
    (info,) = await embedded.models()
    assert info.name == "qwen2.5-coder-1.5b-instruct"
    assert info.size > 1_000_000_000
    with pytest.raises(ModelDown, match="not elyza"):
        async with embedded.stream(HELLO, model="elyza"):
            pass


@pytest.mark.real
async def test_llama_does_not_outlive_its_owner(embedded: EmbeddedChatModel) -> None:
    weights = catalogue_model("qwen2.5-coder-1.5b-instruct")
    path = ModelStore().path(weights) / weights.files[0].name
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    child = psutil.Process(int(await owner.stdout.readline()))
    owner.kill()
    await owner.wait()
    gone, _ = await asyncio.to_thread(psutil.wait_procs, [child], GENEROUS_S)
    assert gone == [child]


async def test_a_child_that_does_not_end_is_killed_also_when_nobody_waits_for_it(
    tmp_path: Path,
) -> None:
    model = EmbeddedChatModel(tmp_path / "none.gguf")
    process = await asyncio.create_subprocess_exec("sleep", "600", stdin=asyncio.subprocess.PIPE)
    with tempfile.TemporaryFile() as stderr:
        model._child = llm_embedded._Child(process, "", stderr, 0)
        closing = asyncio.create_task(model.close())
        for _ in range(2):
            await asyncio.sleep(0)  # let it ask the child to end
        closing.cancel()
        await asyncio.wait([closing])
        assert await process.wait() == -signal.SIGKILL


async def test_llama_without_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing):
        await EmbeddedChatModel(tmp_path / "none.gguf").ready()


@pytest.mark.real
async def test_llama_with_broken_weights(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(64))
    model = EmbeddedChatModel(broken)
    with pytest.raises(ModelDown, match="did not start"):
        await model.ready()
    assert model.pid is None
    await model.close()
