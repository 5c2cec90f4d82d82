"""The making of one reply: model -> clauses -> clips -> events.

The text streams on while its clauses are spoken; both stop together. Until a reply is committed
it is made for nobody: its text is kept, its first clause is spoken ahead, and nothing is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from kaiwa.domain.audio import Speech
from kaiwa.domain.chat import ChatMessage
from kaiwa.domain.events import ReplyClause, ReplyDelta, ReplyFinished, ReplyNotice
from kaiwa.domain.ids import ClipId, EventId, ReplyId, new_id
from kaiwa.domain.talk import Talk
from kaiwa.domain.text import storable
from kaiwa.errors import DatabaseDown, KaiwaError
from kaiwa.pipeline.tasks import one_error, patiently
from kaiwa.pipeline.voices import Speaker, VoiceBook
from kaiwa.policy.clauses import Clause, ClauseSplitter
from kaiwa.policy.own_part import OwnPart
from kaiwa.policy.turn_decisions import Commit
from kaiwa.ports.clip_store import ClipStore
from kaiwa.ports.event_log import EventLog
from kaiwa.ports.llm import ChatModel

DELTA_CHARACTERS: Final = 1_000  # a NOTIFY holds so many whatever they are
CLAUSES_AHEAD: Final = 2  # what the model may be ahead of the voice; then it waits
CLIPS_AT_ONCE: Final = 2  # of one reply
PATIENCE_S: Final = 8.0  # with a database that is away; longer, and the lease is lost anyway

UNCOMMITTED: Final = ReplyId("")

Sounding = asyncio.Task[tuple[str, Speech] | None]
"""A clause on its way to sound: the voice's id and what it says."""

log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class Reply:
    """A reply while it is being made; `reply_id` is empty until it is committed."""

    talk: Talk
    messages: Sequence[ChatMessage] = ()
    opening: str = ""
    """What it begins with before the model has said anything."""
    reply_id: ReplyId = UNCOMMITTED
    committed: asyncio.Event = field(default_factory=asyncio.Event)
    text: str = ""
    told: int = 0
    """How much of the text the readers have."""
    error: KaiwaError | None = None
    making: asyncio.Task[None] | None = None
    stopped: bool = False
    made_ahead: bool = False
    """Whether it was begun before the turn was over."""
    asked: float = field(default_factory=time.monotonic)
    turn: Commit | None = None
    """What it answers; None: it was asked for."""
    _reached: dict[str, float] = field(default_factory=dict)

    def mark(self, stage: str, *, ago_s: float = 0.0) -> None:
        """Note when a stage was first reached."""
        self._reached.setdefault(stage, time.monotonic() - ago_s)

    @property
    def timing(self) -> dict[str, int]:
        """Milliseconds from the commit to each stage, 0 for what was ready by then; `final` and
        `endpoint` are what lay between the person's last sound and its text, and the commit."""
        stages = {
            stage: max(0, round((at - self.asked) * 1000)) for stage, at in self._reached.items()
        }
        if self.turn is None:
            return stages
        final, endpoint = round(self.turn.final_s * 1000), round(self.turn.silence_s * 1000)
        return {"final": final, "endpoint": endpoint, **stages}

    @property
    def begun(self) -> str:
        """The opening, with a space behind it in scripts that have them."""
        return f"{self.opening} " if self.opening and self.opening.isascii() else self.opening

    def stop(self) -> None:
        self.stopped = True  # also before it is being made
        if self.making is not None:
            self.making.cancel()

    @contextmanager
    def keeping_errors(self) -> Iterator[None]:
        """What goes wrong in the block ends the reply; a fault of ours, too, which must not leave
        the talk waiting, nor end the server."""
        try:
            with one_error():
                yield
        except KaiwaError as error:
            self.error = error
        except Exception:
            log.exception("reply_crashed", reply=self.reply_id)
            self.error = KaiwaError("something went wrong inside kaiwa; its log says what")


class Maker:
    """Makes replies with the process's engines."""

    def __init__(
        self, event_log: EventLog, clips: ClipStore, model: ChatModel, voices: VoiceBook
    ) -> None:
        self._log = event_log
        self._clips = clips
        self._model = model
        self._voices = voices

    async def publish(self, reply: Reply) -> None:
        """A reply that was made for nobody is one now: tell what there is of it, and go on."""
        await self._tell(reply)
        reply.committed.set()

    async def append(self, reply: Reply, event: ReplyClause | ReplyFinished, name: str) -> None:
        event_id = EventId(f"{reply.reply_id}-{name}")
        await self._log.append(reply.talk.id, event, event_id=event_id)

    async def make(self, reply: Reply) -> None:
        """Raises what the model, the log and the clips do, in an exception group."""
        clauses: asyncio.Queue[Clause | None] = asyncio.Queue(CLAUSES_AHEAD)
        with self._voices.speaking(reply.talk) as speaker:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write(reply, clauses))
                tasks.create_task(self._speak(reply, clauses, speaker))

    async def _write(self, reply: Reply, clauses: asyncio.Queue[Clause | None]) -> None:
        """The model's text, as deltas to the readers and as clauses to the voice."""
        opening = reply.opening
        splitter = ClauseSplitter(len(reply.begun))
        if opening:
            reply.mark("first_clause")
            await self._show(reply, reply.begun)
            await clauses.put(Clause(opening, 0, len(opening)))
            opened = [*reply.messages, ChatMessage("assistant", opening)]
            await self._ask(reply, opened, splitter, clauses)
        if not reply.text[len(reply.begun) :].strip():  # also where an opening is all there is
            await self._ask(reply, reply.messages, splitter, clauses)
        for clause in splitter.flush():
            reply.mark("first_clause")
            await clauses.put(clause)
        await clauses.put(None)

    async def _ask(
        self,
        reply: Reply,
        messages: Sequence[ChatMessage],
        splitter: ClauseSplitter,
        clauses: asyncio.Queue[Clause | None],
    ) -> None:
        talk = reply.talk
        people = {name for message in messages for name in message.speakers}
        part = OwnPart(talk.agent_name, people, begun=messages[-1].role == "assistant")

        async def take(piece: str) -> None:
            if reply.text == reply.begun:
                piece = piece.lstrip(" ")
            await self._show(reply, piece)
            for clause in splitter.feed(piece):
                reply.mark("first_clause")
                await clauses.put(clause)

        async with self._model.stream(messages, model=talk.llm_model, talk=talk.id) as pieces:
            async for raw in pieces:
                reply.mark("first_token")
                await take(part.feed(storable(raw)))
                if part.over:
                    break
        await take(part.flush())

    async def _show(self, reply: Reply, piece: str) -> None:
        reply.text += piece
        if reply.committed.is_set():
            await self._tell(reply)

    async def _tell(self, reply: Reply) -> None:
        """The readers get what they do not have; one who misses it waits for the clause."""
        while reply.told < len(reply.text):
            offset = reply.told
            part = reply.text[offset : offset + DELTA_CHARACTERS]
            reply.told += len(part)
            delta = ReplyDelta(reply_id=reply.reply_id, offset=offset, text=part)
            try:
                await self._log.tell(reply.talk.id, delta)
            except DatabaseDown:
                log.info("ephemeral_event_dropped", talk=reply.talk.id, type=delta.type)

    async def _speak(
        self, reply: Reply, clauses: asyncio.Queue[Clause | None], speaker: Speaker
    ) -> None:
        """Clause by clause. A voice may be slower than it sounds, so while one clause is made the
        next is begun, where its text is there; ahead of the commit, only the first is made, and
        an opening, which costs nothing."""
        made: asyncio.Queue[tuple[Clause, Sounding] | None] = asyncio.Queue(1)
        places = asyncio.Semaphore(CLIPS_AT_ONCE)

        async def sound(clause: Clause, text: str) -> tuple[str, Speech] | None:
            async with places:
                return await speaker.speak(clause.text, text)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell_clauses(reply, made, speaker))
            while (clause := await clauses.get()) is not None:
                await made.put((clause, tasks.create_task(sound(clause, reply.text))))
                if clause.end > len(reply.opening):
                    await reply.committed.wait()
            await made.put(None)

    async def _tell_clauses(
        self, reply: Reply, made: asyncio.Queue[tuple[Clause, Sounding] | None], speaker: Speaker
    ) -> None:
        """In order: sound first, then the event that tells of it."""
        index = 0
        while (each := await made.get()) is not None:
            clause, sounding = each
            speech = await sounding
            reply.mark("first_voice")
            await reply.committed.wait()
            for trouble in speaker.take_notices():
                notice = ReplyNotice(
                    reply_id=reply.reply_id, code=trouble.code, message=trouble.message
                )
                with contextlib.suppress(DatabaseDown):
                    await self._log.tell(reply.talk.id, notice)
            clip, duration_ms = await self._clip(reply, speech)
            event = ReplyClause(
                reply_id=reply.reply_id,
                index=index,
                text=clause.text,
                start=clause.start,
                end=clause.end,
                clip=clip,
                duration_ms=duration_ms,
            )
            await patiently(partial(self.append, reply, event, f"clause-{index}"), PATIENCE_S)
            reply.mark("first_clip")
            index += 1

    async def _clip(
        self, reply: Reply, spoken: tuple[str, Speech] | None
    ) -> tuple[str | None, int]:
        """A stored clip and its length."""
        if spoken is None:
            return None, 0
        voice, speech = spoken
        clip = ClipId(new_id())
        await patiently(partial(self._clips.put, reply.talk.id, voice, speech, clip), PATIENCE_S)
        return clip, speech.duration_ms
