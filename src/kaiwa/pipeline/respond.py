"""The agent's replies: guessed at, asked for, committed, stopped.

One reply at a time per talk, whatever the number of processes: the log's claim decides. While
somebody may have finished, a reply is made ahead for nobody; it becomes the reply if the turn ends
with the very words it was made for, and is thrown away if not.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, Literal, Self

import structlog

from kaiwa.domain.chat import ChatMessage
from kaiwa.domain.events import (
    Ephemeral,
    Internal,
    ReplyCut,
    ReplyFinished,
    ReplyPlayed,
    ReplyStopping,
    UtteranceFinal,
    decode_ephemeral,
)
from kaiwa.domain.ids import EventId, ReplyId, TalkId, UserId
from kaiwa.domain.talk import Talk
from kaiwa.errors import DatabaseDown, KaiwaError, NotFound, TakenOver
from kaiwa.pipeline.making import PATIENCE_S, Maker, Reply
from kaiwa.pipeline.prompts import Prompts
from kaiwa.pipeline.spare_time import SpareTime
from kaiwa.pipeline.tasks import contained, patiently
from kaiwa.pipeline.voices import VoiceBook
from kaiwa.policy.heard import heard_text, joined
from kaiwa.policy.opening import opening
from kaiwa.policy.turn_decisions import Commit
from kaiwa.ports.clip_store import ClipStore
from kaiwa.ports.event_log import EventLog
from kaiwa.ports.llm import ChatModel
from kaiwa.ports.summaries import Summaries
from kaiwa.ports.wakeup import Wakeups

RENEW_S: Final = 2.0
OTHERS_S: Final = 10.0  # longer than the pauses between what is read ahead while somebody speaks
PREFILL_AFTER_S: Final = 0.3  # a newer utterance makes the prefill of an older one pointless
Status = Literal["complete", "interrupted", "failed"]

log = structlog.get_logger()


class Responder:
    """Makes replies; open it with `run`, whose block owns every task."""

    def __init__(
        self,
        *,
        event_log: EventLog,
        wakeups: Wakeups,
        clips: ClipStore,
        summaries: Summaries,
        model: ChatModel,
        voices: VoiceBook,
        owner: str,
        speculates: bool = True,
    ) -> None:
        self._log = event_log
        self._wakeups = wakeups
        self._model = model
        self._owner = owner
        self._speculates = speculates
        self._voices = voices
        self._maker = Maker(event_log, clips, model, voices)
        self._prompts = Prompts(event_log, summaries, model, SpareTime(voices))
        self._replies: dict[ReplyId, Reply] = {}
        self._guesses: dict[TalkId, Reply] = {}
        self._prefills: dict[TalkId, asyncio.Task[None]] = {}
        self._spoken: dict[TalkId, float] = {}
        self._read: Sequence[ChatMessage] = ()  # the prompt that was prefilled last
        self._tasks: asyncio.TaskGroup

    @classmethod
    @asynccontextmanager
    async def run(cls, **parts: Any) -> AsyncIterator[Self]:
        """Serve replies for the length of the block; those still going on are interrupted."""
        responder = cls(**parts)
        async with asyncio.TaskGroup() as responder._tasks:
            lasting = [
                responder._tasks.create_task(responder._heartbeat()),
                responder._tasks.create_task(contained(responder._prompts.sum_up, "summaries")),
            ]
            try:
                yield responder
            finally:
                for task in lasting:
                    task.cancel()
                for reply in (*responder._replies.values(), *responder._guesses.values()):
                    reply.stop()
                for prefill in responder._prefills.values():
                    prefill.cancel()

    async def ask(self, talk: Talk, cause: str, key: EventId | None = None) -> ReplyId:
        """Start a reply, or give the id of the one that is going on. `cause` is who asked."""
        return await self._claim(Reply(talk), cause, key=key)

    async def commit(self, talk: Talk, turn: Commit, *, fence: int) -> None:
        """A turn is over: reply to it.

        Raises TakenOver where this process has not the talk's floor any more.
        """
        await self._claim(Reply(talk, turn=turn), turn.cause, fence=fence)

    async def _claim(
        self, reply: Reply, cause: str, *, key: EventId | None = None, fence: int | None = None
    ) -> ReplyId:
        """Begin the reply, or what was made ahead in its place, unless one is going on."""
        talk = reply.talk
        guess = await self._guessed(talk)
        if guess is not None:
            guess.asked, guess.turn = reply.asked, reply.turn
            guess.made_ahead = True
        try:
            claim = await self._log.claim_reply(
                talk.id, cause=cause, owner=self._owner, name=talk.agent_name, key=key, fence=fence
            )
        except BaseException:
            await _end(guess)
            raise
        if claim.mine:
            self._begin(guess or reply, claim.reply_id)
        else:
            await _end(guess)
        return claim.reply_id

    async def speculate(self, talk: Talk, words: UtteranceFinal | None) -> None:
        """Make a reply ahead for what has been said, and for `words` that are not stored yet."""
        await self.discard(talk.id)
        if not self._speculates or any(r.talk.id == talk.id for r in self._replies.values()):
            return
        messages = await self._prompts.of(talk, words)
        reply = Reply(talk, messages, self._opening(talk, messages))
        self._guesses[talk.id] = reply
        reply.making = self._tasks.create_task(self._make(reply))

    async def discard(self, talk: TalkId) -> None:
        """Throw away what was made ahead; returns when the model is free."""
        await self._stop_prefill(talk)
        await _end(self._guesses.pop(talk, None))

    async def prefill(self, talk: Talk, words: UtteranceFinal | None = None) -> None:
        """Let the model read the talk so far before anybody asks it to answer."""
        idle = not self._replies and talk.id not in self._guesses
        if self._model.prefills and idle and not self._others_speak(talk.id):
            while talk.id in self._prefills:  # another may have begun meanwhile
                await self._stop_prefill(talk.id)
            self._prefills[talk.id] = self._tasks.create_task(
                contained(partial(self._prefill, talk, words), "prefill")
            )

    def _others_speak(self, talk: TalkId) -> bool:
        """Whether another talk was to be read lately: recognition needs the processor then, and
        the model has not room for many prompts."""
        now = time.monotonic()
        self._spoken = {id: at for id, at in self._spoken.items() if now - at < OTHERS_S}
        self._spoken[talk] = now
        return len(self._spoken) > 1

    async def stop(
        self, talk: TalkId, reply: ReplyId, by: UserId, heard: tuple[int, int] | None
    ) -> None:
        """Stop a reply wherever it is being made; what was heard, as (clause, ms), is remembered.

        Also for a reply that is finished and only still playing.
        """
        mine = self._replies.get(reply)
        if mine is not None and mine.talk.id != talk:
            raise NotFound("there is no such reply here")
        going_on = mine is not None or await self._log.reply_going_on(talk) == reply
        if mine is not None:
            mine.stop()
        elif going_on:
            await self._log.tell(talk, ReplyStopping(reply_id=reply))
        if heard is None:
            return
        clauses = await self._log.clauses(talk, reply)
        clause, ms = heard
        text = heard_text(clauses, clause, ms)
        if not going_on and text == joined(clauses):
            return  # nothing was cut
        cut = ReplyCut(reply_id=reply, by=by, clause=clause, ms=ms, heard_text=text)
        await self._log.append(talk, cut, event_id=EventId(f"cut-{reply}"))

    async def _guessed(self, talk: Talk) -> Reply | None:
        """What was made ahead, if it was made for what has been said now."""
        await self._stop_prefill(talk.id)
        guess = self._guesses.pop(talk.id, None)
        if guess is None:
            return None
        try:
            wanted = (await self._prompts.of(talk), talk.llm_model, talk.voice)
        except BaseException:
            await _end(guess)
            raise
        made = (guess.messages, guess.talk.llm_model, guess.talk.voice)
        if made == wanted and guess.error is None:
            return guess
        await _end(guess)
        return None

    async def _make(self, reply: Reply) -> None:
        with reply.keeping_errors():
            if not reply.messages:
                reply.messages = await self._prompts.of(reply.talk)
                if reply.turn is not None:
                    reply.opening = self._opening(reply.talk, reply.messages)
            await self._maker.make(reply)

    def _opening(self, talk: Talk, messages: Sequence[ChatMessage]) -> str:
        """What the reply may begin with, where that saves the listener time: its sound is ready,
        and nobody gave instructions that it might offend."""
        if not self._model.continues or talk.instructions:
            return ""
        before = [each.content for each in messages if each.role == "assistant"]
        word = opening(messages[-1].content, talk.language, before[-1] if before else "")
        return word if word and self._voices.is_ready(word, talk) else ""

    def _begin(self, reply: Reply, reply_id: ReplyId) -> None:
        self._read = ()
        reply.reply_id = reply_id
        self._replies[reply_id] = reply
        self._tasks.create_task(contained(partial(self._see_through, reply), "reply"))

    async def _prefill(self, talk: Talk, words: UtteranceFinal | None) -> None:
        if words is None:
            await asyncio.sleep(PREFILL_AFTER_S)
        try:
            messages = await self._prompts.of(talk, words, asked=False)
            if messages != self._read:
                await self._model.prefill(messages, talk=talk.id)
                self._read = messages
        except KaiwaError as error:
            log.info("prefill_failed", talk=talk.id, error=error.code)
        if self._prefills.get(talk.id) is asyncio.current_task():
            del self._prefills[talk.id]

    async def _stop_prefill(self, talk: TalkId) -> None:
        prefill = self._prefills.pop(talk, None)
        if prefill is not None:
            prefill.cancel()
            await asyncio.wait([prefill])

    async def _heartbeat(self) -> None:
        """Keep the leases of replies made here, and close those of processes that died."""
        while True:
            await contained(self._beat, "heartbeat")
            await asyncio.sleep(RENEW_S)

    async def _beat(self) -> None:
        try:
            if self._replies:
                await self._log.renew_replies(self._owner, list(self._replies))
            closed = await self._log.close_orphans()
            if closed:
                log.info("orphaned_replies_closed", count=closed)
        except DatabaseDown:
            log.warning("heartbeat_missed")

    async def _see_through(self, reply: Reply) -> None:
        """Make a reply and store how it ended, whatever happens on the way."""

        def on_payload(payload: str) -> None:
            if reply.reply_id not in payload:
                return
            match _told(payload):
                case ReplyStopping(reply_id=reply.reply_id):
                    reply.stop()
                case ReplyPlayed(reply_id=reply.reply_id, clause=0, ms=ms):
                    reply.mark("first_sound", ago_s=ms / 1000)

        talk = reply.talk.id
        try:
            await self._wakeups.listen(talk, on_payload)
            try:
                await self._maker.publish(reply)
                reply.making = reply.making or self._tasks.create_task(self._make(reply))
                if reply.stopped:
                    reply.making.cancel()
                await asyncio.wait([reply.making])
                await self._finish(reply, _status(reply, reply.making))
            finally:
                await self._wakeups.unlisten(talk, on_payload)
        finally:
            reply.stop()  # where it could not be told of, its making goes on
            del self._replies[reply.reply_id]

    async def _finish(self, reply: Reply, status: Status) -> None:
        reply.mark("total")
        error = reply.error
        finished = ReplyFinished(
            reply_id=reply.reply_id,
            status=status,
            text=reply.text,
            timing=reply.timing,
            error=None if error is None else {"code": error.code, "message": error.message},
        )
        try:
            await patiently(partial(self._maker.append, reply, finished, "finish"), PATIENCE_S)
        except (NotFound, TakenOver):
            pass  # the talk was deleted, or another process closed the reply
        except DatabaseDown:
            log.error("reply_not_finished", reply=reply.reply_id)
            # its lease runs out, and whoever is there closes it
        log.info(
            "reply_finished",
            talk=reply.talk.id,
            reply=reply.reply_id,
            status=status,
            error=None if error is None else error.code,
            made_ahead=reply.made_ahead,
            **reply.timing,
        )


async def _end(guess: Reply | None) -> None:
    """Stop what nobody will see; returns when the model is free for the next."""
    if guess is not None and guess.making is not None:
        guess.stop()
        await asyncio.wait([guess.making])


def _status(reply: Reply, making: asyncio.Task[None]) -> Status:
    if making.cancelled():
        return "interrupted"
    return "complete" if reply.error is None else "failed"


def _told(payload: str) -> Ephemeral | Internal | None:
    try:
        return decode_ephemeral(json.loads(payload))
    except ValueError:  # a durable one, or somebody else's NOTIFY
        return None
