"""What every chat model keeps: the shipped fake, OpenAI's API and Ollama's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio

from kaiwa.adapters.llm_http import Waits
from kaiwa.adapters.llm_ollama import OllamaChatModel
from kaiwa.adapters.llm_openai import OpenAIChatModel
from kaiwa.adapters.memory.llm import Fail, Hold, ScriptedChatModel, Step
from kaiwa.errors import ModelDown
from kaiwa.ports.llm import ChatModel
from tests.contract.chat_models import (
    GENEROUS_S,
    HELLO,
    IMPATIENT,
    closed_url,
    read,
    read_until_down,
)
from tests.fakes.http import BreakOff, FakeModelServer, Raw
from tests.fakes.ollama import FakeOllama
from tests.fakes.openai import FakeOpenAI

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
        scripted, hurried = ScriptedChatModel(), ScriptedChatModel(stall_s=IMPATIENT.stall_s)

        def says(*steps: Step) -> None:
            scripted.replies = hurried.replies = [steps]

        yield Rig(scripted, hurried, says, scripted.left)
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
        model = OpenAIChatModel(server.url, default_model="small", waits=Waits(first_token_s=0.2))
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
