"""From a turn to the agent's reply: model -> clauses -> clips -> events.

The text streams on while its clauses are spoken; both stop together. One reply at a time per talk,
whatever the number of processes: the log's claim decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, Self

import structlog

from kaiwa.domain.audio import Speech
from kaiwa.domain.events import (
    ReplyClause,
    ReplyCut,
    ReplyDelta,
    ReplyFinished,
    ReplyNotice,
    ReplyStopping,
    UtteranceFinal,
)
from kaiwa.domain.ids import ClipId, EventId, ReplyId, TalkId, UserId
from kaiwa.domain.talk import Talk
from kaiwa.domain.text import storable
from kaiwa.errors import DatabaseDown, KaiwaError, NotFound, TakenOver
from kaiwa.pipeline.history import Histories
from kaiwa.pipeline.tasks import contained, one_error, patiently
from kaiwa.pipeline.voices import Speaker, VoiceBook
from kaiwa.policy.clauses import Clause, ClauseSplitter
from kaiwa.policy.heard import heard_text, joined
from kaiwa.policy.prompt import chat_prompt
from kaiwa.policy.turn_taking import wants_reply
from kaiwa.ports.clip_store import ClipStore
from kaiwa.ports.event_log import EventLog
from kaiwa.ports.llm import ChatModel
from kaiwa.ports.wakeup import Wakeups

RENEW_S: Final = 2.0
DELTA_CHARACTERS: Final = 1_000  # a NOTIFY holds so many whatever they are
PREFILL_AFTER_S: Final = 0.3  # a newer utterance makes the prefill of an older one pointless
CLAUSES_AHEAD: Final = 4  # what the model may be ahead of the voice; then it waits
PATIENCE_S: Final = 8.0  # with a database that is away; longer, and the lease is lost anyway
Status = Literal["complete", "interrupted", "failed"]

log = structlog.get_logger()


@dataclass(slots=True)
class _Reply:
    """A reply while it is being made."""

    talk: Talk
    reply_id: ReplyId
    asked: float
    text: str = ""
    timing: dict[str, int] = field(default_factory=dict)
    error: KaiwaError | None = None
    making: asyncio.Task[None] | None = None
    stopped: bool = False

    def mark(self, stage: str) -> None:
        """Note when a stage was first reached, in milliseconds since the reply was asked for."""
        self.timing.setdefault(stage, round((time.monotonic() - self.asked) * 1000))

    def stop(self) -> None:
        self.stopped = True  # also before it is being made
        if self.making is not None:
            self.making.cancel()


class Responder:
    """Makes replies; open it with `run`, whose block owns every task."""

    def __init__(
        self,
        *,
        event_log: EventLog,
        wakeups: Wakeups,
        clips: ClipStore,
        model: ChatModel,
        voices: VoiceBook,
        owner: str,
    ) -> None:
        self._log = event_log
        self._wakeups = wakeups
        self._clips = clips
        self._model = model
        self._voices = voices
        self._owner = owner
        self._histories = Histories(event_log)
        self._replies: dict[ReplyId, _Reply] = {}
        self._prefills: dict[TalkId, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup

    @classmethod
    @asynccontextmanager
    async def run(cls, **parts: Any) -> AsyncIterator[Self]:
        """Serve replies for the length of the block; those still going on are interrupted."""
        responder = cls(**parts)
        async with asyncio.TaskGroup() as responder._tasks:
            heartbeat = responder._tasks.create_task(responder._heartbeat())
            try:
                yield responder
            finally:
                heartbeat.cancel()
                for reply in responder._replies.values():
                    reply.stop()
                for prefill in responder._prefills.values():
                    prefill.cancel()

    async def ask(self, talk: Talk, cause: str, key: EventId | None = None) -> ReplyId:
        """Start a reply, or give the id of the one that is going on.

        `cause` says why: a user's id for the button, an utterance's for hands-free.
        """
        claim = await self._log.claim_reply(
            talk.id, cause=cause, owner=self._owner, name=talk.agent_name, key=key
        )
        if claim.mine:
            self._stop_prefill(talk.id)
            reply = _Reply(talk, claim.reply_id, time.monotonic())
            self._replies[reply.reply_id] = reply
            self._tasks.create_task(contained(self._see_through(reply), "reply"))
        return claim.reply_id

    async def on_utterance(self, talk: Talk, said: UtteranceFinal) -> None:
        """Answer without being asked, where the talk's mode says so; else be ready to."""
        if wants_reply(talk, said):
            await self.ask(talk, cause=said.utterance_id)
        elif self._model.prefills and all(r.talk.id != talk.id for r in self._replies.values()):
            self._stop_prefill(talk.id)
            self._prefills[talk.id] = self._tasks.create_task(
                contained(self._prefill(talk), "prefill")
            )

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

    async def _prefill(self, talk: Talk) -> None:
        """Let the model read what was said before anybody asks it to answer."""
        await asyncio.sleep(PREFILL_AFTER_S)
        try:
            messages = chat_prompt(talk, await self._histories.of(talk.id))
            await self._model.prefill(messages, talk=talk.id)
        except KaiwaError as error:
            log.info("prefill_failed", talk=talk.id, error=error.code)
        if self._prefills.get(talk.id) is asyncio.current_task():
            del self._prefills[talk.id]

    def _stop_prefill(self, talk: TalkId) -> None:
        prefill = self._prefills.pop(talk, None)
        if prefill is not None:
            prefill.cancel()

    async def _heartbeat(self) -> None:
        """Keep the leases of replies made here, and close those of processes that died."""
        while True:
            await contained(self._beat(), "heartbeat")
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

    async def _see_through(self, reply: _Reply) -> None:
        """Make a reply and store how it ended, whatever happens on the way."""

        def on_payload(payload: str) -> None:
            if reply.reply_id in payload and _asks_to_stop(payload, reply.reply_id):
                reply.stop()

        talk = reply.talk.id
        try:
            await self._wakeups.listen(talk, on_payload)
            try:
                reply.making = self._tasks.create_task(self._make(reply))
                if reply.stopped:
                    reply.making.cancel()
                await asyncio.wait([reply.making])
                await self._finish(reply, _status(reply, reply.making))
            finally:
                await self._wakeups.unlisten(talk, on_payload)
        finally:
            del self._replies[reply.reply_id]

    async def _finish(self, reply: _Reply, status: Status) -> None:
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
            await patiently(partial(self._append, reply, finished, "finish"), PATIENCE_S)
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
            **reply.timing,
        )

    async def _append(self, reply: _Reply, event: ReplyClause | ReplyFinished, name: str) -> None:
        event_id = EventId(f"{reply.reply_id}-{name}")
        await self._log.append(reply.talk.id, event, event_id=event_id)

    async def _make(self, reply: _Reply) -> None:
        clauses: asyncio.Queue[Clause | None] = asyncio.Queue(CLAUSES_AHEAD)
        try:
            with one_error(), self._voices.speaking(reply.talk) as speaker:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._write(reply, clauses))
                    tasks.create_task(self._speak(reply, clauses, speaker))
        except KaiwaError as error:
            reply.error = error
        except Exception:
            # A fault of ours must not leave the talk waiting, nor end the server.
            log.exception("reply_crashed", reply=reply.reply_id)
            reply.error = KaiwaError("something went wrong inside kaiwa; its log says what")

    async def _write(self, reply: _Reply, clauses: asyncio.Queue[Clause | None]) -> None:
        """The model's text, as deltas to the readers and as clauses to the voice."""
        talk = reply.talk
        splitter = ClauseSplitter()
        messages = chat_prompt(talk, await self._histories.of(talk.id))
        async with self._model.stream(messages, model=talk.llm_model, talk=talk.id) as pieces:
            async for raw in pieces:
                piece = storable(raw)
                reply.mark("first_token")
                await self._show(reply, piece)
                for clause in splitter.feed(piece):
                    reply.mark("first_clause")
                    await clauses.put(clause)
        for clause in splitter.flush():
            reply.mark("first_clause")
            await clauses.put(clause)
        await clauses.put(None)

    async def _show(self, reply: _Reply, piece: str) -> None:
        """Add to the text, and tell the readers; one who misses it waits for the clause."""
        for start in range(0, len(piece), DELTA_CHARACTERS):
            part = piece[start : start + DELTA_CHARACTERS]
            delta = ReplyDelta(reply_id=reply.reply_id, offset=len(reply.text), text=part)
            reply.text += part
            try:
                await self._log.tell(reply.talk.id, delta)
            except DatabaseDown:
                log.info("ephemeral_event_dropped", talk=reply.talk.id, type=delta.type)

    async def _speak(
        self, reply: _Reply, clauses: asyncio.Queue[Clause | None], speaker: Speaker
    ) -> None:
        """Clause by clause: sound first, then the event that tells of it."""
        index = 0
        while (clause := await clauses.get()) is not None:
            clip, duration_ms = await self._clip(
                reply, await speaker.speak(clause.text, reply.text)
            )
            for trouble in speaker.take_notices():
                notice = ReplyNotice(
                    reply_id=reply.reply_id, code=trouble.code, message=trouble.message
                )
                with contextlib.suppress(DatabaseDown):
                    await self._log.tell(reply.talk.id, notice)
            event = ReplyClause(
                reply_id=reply.reply_id,
                index=index,
                text=clause.text,
                start=clause.start,
                end=clause.end,
                clip=clip,
                duration_ms=duration_ms,
            )
            await patiently(partial(self._append, reply, event, f"clause-{index}"), PATIENCE_S)
            reply.mark("first_clip")
            index += 1

    async def _clip(
        self, reply: _Reply, spoken: tuple[str, Speech] | None
    ) -> tuple[str | None, int]:
        """A clause's stored clip and its length; no clip where the listener's own voice speaks."""
        if spoken is None:
            return None, 0
        voice, speech = spoken
        clips: list[ClipId] = []

        async def put() -> None:
            clips.append(await self._clips.put(reply.talk.id, voice, speech))

        await patiently(put, PATIENCE_S)
        return clips[0], speech.duration_ms


def _status(reply: _Reply, making: asyncio.Task[None]) -> Status:
    if making.cancelled():
        return "interrupted"
    return "complete" if reply.error is None else "failed"


def _asks_to_stop(payload: str, reply: ReplyId) -> bool:
    try:
        values = json.loads(payload)
    except ValueError:  # somebody else's NOTIFY
        return False
    asked = isinstance(values, dict) and values.get("type") == "reply.stopping"
    return bool(asked and values.get("reply_id") == reply)
