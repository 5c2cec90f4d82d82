"""Summaries are made when nobody needs the machine, and words that are erased are in none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from kaiwa.adapters.memory.llm import Fail, Hold, ScriptedChatModel, Step
from kaiwa.adapters.memory.summaries import MemorySummaries
from kaiwa.domain.events import UtteranceFinal
from kaiwa.pipeline.prompts import Prompts
from kaiwa.pipeline.spare_time import SpareTime
from kaiwa.pipeline.voices import VoiceBook
from tests.fakes.hearing import MARI, Hearing

SUMMARY = "娘の誕生日は来週で、絵が好き。"


@dataclass
class Desk:
    """A long talk, and the prompts made of it."""

    hearing: Hearing
    prompts: Prompts
    model: ScriptedChatModel
    book: VoiceBook
    summaries: MemorySummaries

    async def system(self) -> str:
        return (await self.prompts.of(self.hearing.talk))[0].content

    async def kept(self) -> list[str]:
        return list((await self.summaries.of(self.hearing.talk.id)).values())

    async def was_asked(self) -> bool:
        return bool(self.model.asked)

    async def is_running(self) -> bool:
        return self.model.running > 0

    async def is_idle(self) -> bool:
        return self.model.running == 0

    async def until_kept(self, count: int = 1) -> None:
        async def enough() -> bool:
            return len(await self.kept()) >= count

        await until(enough)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while True:
            if await holds():
                return
            await asyncio.sleep(0)


@asynccontextmanager
async def desk(*replies: list[Step], utterances: int = 60) -> AsyncIterator[Desk]:
    hearing = await Hearing().begin()
    for n in range(utterances):
        await hearing.log.append(hearing.talk.id, said(n))
    model, book, summaries = (
        ScriptedChatModel(*replies),
        VoiceBook([]),
        MemorySummaries(hearing.log),
    )
    prompts = Prompts(hearing.log, summaries, model, SpareTime(book, quiet_s=0))
    making = asyncio.create_task(prompts.sum_up())
    try:
        yield Desk(hearing, prompts, model, book, summaries)
    finally:
        making.cancel()


def said(n: int) -> UtteranceFinal:
    return UtteranceFinal(
        utterance_id=f"u-{n}",
        participant=MARI.id,
        name=MARI.name,
        text=f"第{n}話です。" * 12,
        language="ja",
        started_ms=n,
        ended_ms=n,
    )


async def test_summaries_are_made_of_what_is_cut_and_of_what_is_cut_next() -> None:
    async with desk([SUMMARY]) as at:
        before = await at.system()
        assert "第0話です。" in before
        await at.until_kept(3)
        after = await at.system()
        assert f"- {SUMMARY}" in after and "第0話です。" not in after
        asked = len(at.model.asked)
        await at.hearing.log.append(at.hearing.talk.id, said(60))
        assert await at.system() == after and len(at.model.asked) == asked


@pytest.mark.parametrize("answer", [[""], ["I do not know."], ["絵。絵。絵。"]])
async def test_a_model_that_is_no_help_leaves_the_first_words(answer: list[Step]) -> None:
    async with desk(answer) as at:
        before = await at.system()
        await at.until_kept()
        assert await at.system() == before


async def test_who_speaks_stops_it_and_it_is_made_later() -> None:
    async with desk([Hold(asyncio.Event())], [SUMMARY]) as at:
        await at.system()
        await until(at.is_running)
        at.book.disturb()
        async with asyncio.timeout(20):
            await at.model.left.wait()
        await at.until_kept()
        assert set(await at.kept()) == {SUMMARY}


async def test_a_model_that_is_down_is_asked_again_with_the_next_prompt() -> None:
    async with desk([Fail()], [SUMMARY]) as at:
        await at.system()
        await until(at.was_asked)
        assert await at.kept() == []
        await at.system()
        await at.until_kept()


async def test_words_that_were_erased_while_it_was_made_are_not_kept_in_it() -> None:
    go_on = asyncio.Event()
    async with desk([Hold(go_on), SUMMARY]) as at:
        await at.system()
        await until(at.is_running)
        at.hearing.log.erase(at.hearing.talk.id, *range(1, 50))
        go_on.set()
        await until(at.is_idle)
        assert await at.kept() == []
        assert "第0話" not in str(await at.prompts.of(at.hearing.talk))
