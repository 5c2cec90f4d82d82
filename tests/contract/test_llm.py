"""What every chat model keeps: the shipped fake, OpenAI's API, Ollama's, and llama.cpp itself."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from kaiwa.adapters.llm_embedded import EmbeddedChatModel
from kaiwa.adapters.llm_http import Waits
from kaiwa.adapters.llm_ollama import OllamaChatModel, PullProgress, detect
from kaiwa.adapters.llm_openai import OpenAIChatModel
from kaiwa.adapters.memory.llm import Fail, Hold, ScriptedChatModel, Step
from kaiwa.errors import ModelDown, ModelMissing
from kaiwa.models.catalogue import model as catalogue_model
from kaiwa.models.store import ModelStore
from kaiwa.ports.llm import ChatMessage, ChatModel
from tests.fakes.http import BreakOff, FakeModelServer, Raw
from tests.fakes.ollama import FakeOllama
from tests.fakes.openai import FakeOpenAI

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = [ChatMessage("system", "Be brief."), ChatMessage("user", "やあ")]
IMPATIENT = Waits(first_token_s=0.2, stall_s=0.2)
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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


# --- the contract ------------------------------------------------------------------------------


@dataclass
class Rig:
    """A chat model that can be told what to say."""

    model: ChatModel
    impatient: ChatModel
    """The same server, asked by somebody who does not wait."""
    says: Callable[..., None]
    left: asyncio.Event


@pytest_asyncio.fixture(loop_scope="module", params=["scripted", "openai", "ollama"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    if request.param == "scripted":
        scripted = ScriptedChatModel(stall_s=IMPATIENT.stall_s)

        def says(*steps: Step) -> None:
            scripted.replies = [steps]

        yield Rig(scripted, scripted, says, scripted.left)
        return
    async with (FakeOpenAI if request.param == "openai" else FakeOllama).run() as server:
        make = OpenAIChatModel if request.param == "openai" else OllamaChatModel
        model = make(server.url, default_model="small")
        impatient = make(server.url, default_model="small", waits=IMPATIENT)

        def answers(*steps: Step) -> None:
            server.replies = [list(steps)]

        yield Rig(model, impatient, answers, server.hung_up)
        await model.close()
        await impatient.close()


async def test_text_comes_in_order_and_in_pieces(rig: Rig) -> None:
    rig.says("そう", "ですね", "、", "はい。\u2028\n", "終わり")
    assert await read(rig.model) == ["そう", "ですね", "、", "はい。\u2028\n", "終わり"]


async def test_a_piece_is_given_before_the_next_one_is_made(rig: Rig) -> None:
    more = asyncio.Event()
    rig.says("一", Hold(more), "二")
    async with asyncio.timeout(GENEROUS_S), rig.model.stream(HELLO) as pieces:
        assert await anext(pieces) == "一"
        more.set()
        assert [piece async for piece in pieces] == ["二"]


async def test_leaving_the_block_stops_the_model(rig: Rig) -> None:
    rig.says("一", Hold(asyncio.Event()), "二")
    async with rig.model.stream(HELLO) as pieces:
        assert await anext(pieces) == "一"
    await asyncio.wait_for(rig.left.wait(), GENEROUS_S)


async def test_cancelling_the_reader_stops_the_model(rig: Rig) -> None:
    rig.says("一", Hold(asyncio.Event()))
    begun = asyncio.Event()

    async def reader() -> None:
        async with rig.model.stream(HELLO) as pieces:
            async for _ in pieces:
                begun.set()

    task = asyncio.ensure_future(reader())
    await asyncio.wait_for(begun.wait(), GENEROUS_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(rig.left.wait(), GENEROUS_S)


async def test_an_empty_answer_is_an_answer(rig: Rig) -> None:
    rig.says()
    assert await read(rig.model) == []


async def test_a_failure_in_the_middle_comes_after_what_was_said(rig: Rig) -> None:
    rig.says("一", "二", Fail("out of memory"), "三")
    got, down = await read_until_down(rig.model)
    assert got == ["一", "二"]
    assert "out of memory" in down.message


async def test_a_failure_before_the_first_word(rig: Rig) -> None:
    rig.says(Fail("cannot load"))
    got, down = await read_until_down(rig.model)
    assert got == []
    assert "cannot load" in down.message


async def test_a_model_that_stalls_is_down(rig: Rig) -> None:
    rig.says("一", Hold(asyncio.Event()))
    got, down = await read_until_down(rig.impatient)
    assert got == ["一"]
    assert "stopped answering" in down.message


async def test_a_model_nobody_has(rig: Rig) -> None:
    with pytest.raises(ModelDown, match="no model huge"):
        async with rig.model.stream(HELLO, model="huge"):
            pass


async def test_replies_at_the_same_time(rig: Rig) -> None:
    rig.says("一", "二")
    replies = await asyncio.gather(*(read(rig.model) for _ in range(5)))
    assert replies == [["一", "二"]] * 5


async def test_models_can_be_listed_and_are_ready(rig: Rig) -> None:
    assert await rig.model.models()
    await rig.model.ready()


# --- servers over HTTP -------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module", params=[FakeOpenAI, FakeOllama])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[FakeModelServer]:
    async with request.param.run() as fake:
        yield fake


def client_of(server: FakeModelServer, default_model: str = "small") -> ChatModel:
    make = OllamaChatModel if isinstance(server, FakeOllama) else OpenAIChatModel
    return make(server.url, default_model=default_model)


@pytest.mark.parametrize("make", [OpenAIChatModel, OllamaChatModel])
async def test_nobody_answers(make: type[OpenAIChatModel] | type[OllamaChatModel]) -> None:
    url = closed_url()
    model = make(url, default_model="small")
    got, down = await read_until_down(model)
    assert got == []
    assert url in down.message
    with pytest.raises(ModelDown):
        await model.ready()
    with pytest.raises(ModelDown):
        await model.models()
    await model.close()


async def test_a_server_that_accepts_and_says_nothing() -> None:
    async with FakeOpenAI.run() as server:
        server.replies = [[Hold(asyncio.Event())]]
        model = OpenAIChatModel(server.url, default_model="small", waits=IMPATIENT)
        got, _ = await read_until_down(model)
        assert got == []
        await model.close()


async def test_a_stream_broken_off_before_its_end(server: FakeModelServer) -> None:
    server.replies = [["一", BreakOff()]]
    got, down = await read_until_down(client_of(server))
    assert got == ["一"]
    assert "broke off" in down.message


async def test_thoughts_are_not_shown(server: FakeModelServer) -> None:
    server.replies = [["<th", "ink>うーん</", "think>\n\n", "は", "い。<", "3"]]
    assert "".join(await read(client_of(server))) == "はい。<3"


async def test_a_thought_that_never_ends_is_an_empty_answer(server: FakeModelServer) -> None:
    server.replies = [["<think>", "うーん"]]
    assert await read(client_of(server)) == []


async def test_a_model_that_never_stops_is_cut_off(server: FakeModelServer) -> None:
    server.replies = [["あ" * 1_000] * 50]
    got, down = await read_until_down(client_of(server))
    assert len(got) < 50
    assert "did not stop" in down.message


@pytest.mark.parametrize("junk", [b"data: {nonsense\n\n", b"x" * 1_500_000])
async def test_junk_is_a_model_that_is_down(server: FakeModelServer, junk: bytes) -> None:
    server.replies = [["一", Raw(junk)]]
    got, _ = await read_until_down(client_of(server))
    assert got == ["一"]


async def test_the_first_model_is_the_default(server: FakeModelServer) -> None:
    server.replies = [["はい"]]
    model = client_of(server, default_model="")
    await read(model)
    assert server.chats[-1].json["model"].startswith("small")
    await read_with(model, "large")
    assert server.chats[-1].json["model"] == "large"


async def read_with(model: ChatModel, name: str) -> None:
    async with model.stream(HELLO, model=name) as pieces:
        assert [piece async for piece in pieces]


async def test_the_default_is_listed_first(server: FakeModelServer) -> None:
    listed = await client_of(server, default_model="large").models()
    assert listed[0].name.startswith("large")
    assert len(listed) == 2


async def test_not_ready_without_the_default_model(server: FakeModelServer) -> None:
    with pytest.raises(ModelDown, match="huge"):
        await client_of(server, default_model="huge").ready()


async def test_the_messages_arrive_as_they_were(server: FakeModelServer) -> None:
    server.replies = [["はい"]]
    await read(client_of(server))
    assert server.chats[-1].json["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "やあ"},
    ]


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


# --- llama.cpp ---------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def embedded() -> AsyncIterator[EmbeddedChatModel]:
    weights = catalogue_model("qwen2.5-coder-1.5b-instruct")
    path = ModelStore().path(weights) / weights.files[0].name
    model = EmbeddedChatModel(path, name=weights.name)
    yield model
    await model.close()


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
