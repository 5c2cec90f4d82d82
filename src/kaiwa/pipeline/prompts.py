"""What the chat model is told of each talk; in spare time, what stays of the words that are cut."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

import structlog

from kaiwa.domain.chat import ChatMessage
from kaiwa.domain.events import Recorded, UtteranceFinal
from kaiwa.domain.ids import TalkId
from kaiwa.domain.talk import Talk
from kaiwa.errors import KaiwaError
from kaiwa.pipeline.history import Histories
from kaiwa.pipeline.spare_time import SpareTime
from kaiwa.policy.prompt import blocks, chat_prompt
from kaiwa.policy.summary import LONGEST, Block
from kaiwa.ports.event_log import EventLog
from kaiwa.ports.llm import ChatModel
from kaiwa.ports.summaries import Summaries

TALKS_WAITING: Final = 16
"""For a summary; of more, those prompted longest ago do without until they are prompted again."""

log = structlog.get_logger()


class Prompts:
    """The prompts of the talks that are answered here."""

    def __init__(
        self, event_log: EventLog, summaries: Summaries, model: ChatModel, spare_time: SpareTime
    ) -> None:
        self._log = event_log
        self._summaries = summaries
        self._model = model
        self._spare_time = spare_time
        self._histories = Histories(event_log)
        self._waiting: OrderedDict[TalkId, Talk] = OrderedDict()
        self._prompted = asyncio.Event()

    async def of(
        self, talk: Talk, words: UtteranceFinal | None = None, *, asked: bool = True
    ) -> list[ChatMessage]:
        """The prompt for a reply to what has been said, and to `words` that are not stored yet;
        what is known of it where none is `asked` for.

        Raises NotFound, DatabaseDown.
        """
        events = await self._histories.of(talk.id)
        self._wait_for_summary(talk)
        if words is not None:
            events = [*events, Recorded(seq=len(events) + 1, event=words)]
        return chat_prompt(talk, events, await self._summaries.of(talk.id), asked=asked)

    async def sum_up(self) -> None:
        """Make the summaries that prompts want, until cancelled; one at a time, dropped as soon as
        somebody speaks or asks for a reply."""
        while True:
            self._prompted.clear()
            if self._waiting:
                await self._spare_time.use(self._sum_up)
            else:
                await self._prompted.wait()

    def _wait_for_summary(self, talk: Talk) -> None:
        self._waiting[talk.id] = talk
        self._waiting.move_to_end(talk.id)
        self._prompted.set()
        while len(self._waiting) > TALKS_WAITING:
            self._waiting.popitem(last=False)

    async def _sum_up(self) -> None:
        """Make the first summary that the talk prompted last misses; when it misses no more, or
        none can be made, it waits no more."""
        talk = next(reversed(self._waiting.values()))
        try:
            erasures = await self._log.erasures(talk.id)
            wanted = blocks(talk, await self._histories.of(talk.id))
            known = await self._summaries.of(talk.id)
            missing = [block for block in wanted if block.digest not in known]
            if missing:
                text = await self._ask(missing[0], talk.llm_model)
                await self._summaries.put(
                    talk.id,
                    missing[0].digest,
                    missing[0].accepted(text) or missing[0].leading(),
                    erasures=erasures,
                    wanted=[block.digest for block in wanted],
                )
            if len(missing) > 1:
                return
        except KaiwaError as error:
            log.info("not_summed_up", talk=talk.id, error=error.code)
        self._waiting.pop(talk.id, None)

    async def _ask(self, block: Block, model: str) -> str:
        text = ""
        async with self._model.stream(block.request(), model=model) as pieces:
            async for piece in pieces:
                text += piece
                if len(text) >= LONGEST:
                    break
        return text
