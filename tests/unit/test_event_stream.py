"""A stream of events ends when it must, whatever its browser does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.types import Message

from kaiwa.domain.ids import SessionId
from kaiwa.domain.talk import Role
from kaiwa.pipeline import fan_out
from kaiwa.pipeline.fan_out import FanOut
from kaiwa.web import events
from kaiwa.web.events import EventStream
from kaiwa.web.presence import Presences
from kaiwa.web.services import Services
from kaiwa.web.sessions import SignedIn
from kaiwa.web.sse import Messages
from tests.fakes.hearing import KEN, MARI, Hearing
from tests.fakes.utterances import said


class Browser:
    """The other end of an ASGI response."""

    def __init__(self) -> None:
        self.text = ""
        self.ended = False
        self.reads = asyncio.Event()
        self.reads.set()
        self.stuck = asyncio.Event()
        self.gone = asyncio.Event()
        self.changed = asyncio.Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if not self.reads.is_set():
            self.stuck.set()
            await self.reads.wait()
        self.text += message.get("body", b"").decode()
        self.ended = message["type"] == "http.response.body" and not message["more_body"]
        self.changed.set()

    async def until(self, text: str) -> None:
        while text not in self.text:
            self.changed.clear()
            await self.changed.wait()


class Stand:
    def __init__(self, hearing: Hearing, fan_out: FanOut) -> None:
        self.hearing = hearing
        self.fan_out = fan_out
        self.closing = asyncio.Event()
        self.browser = Browser()
        self.presences = Presences()

    def open(self, after: int = 0, user: Any = MARI) -> asyncio.Task[None]:
        parts: Any = SimpleNamespace(
            fan_out=self.fan_out,
            event_log=self.hearing.log,
            talks=self.hearing.talks,
            closing=self.closing,
            listeners=set(),
            messages=Messages(),
            presences=self.presences,
            sessions=SimpleNamespace(watching=lambda *_: nullcontext()),
        )
        stream = EventStream(
            cast(Services, parts),
            SignedIn(user, SessionId("session")),
            {self.hearing.talk.id: after},
            with_ids=True,
        )
        scope = {"type": "http"}
        return asyncio.create_task(stream(scope, self.browser.receive, self.browser.send))

    async def fill(self) -> None:
        """More events than are sent together."""
        for n in range(fan_out.GROUP * 2):
            await self.hearing.talks.update(self.hearing.talk.id, MARI.id, {"title": str(n)})


@pytest.fixture
async def stand(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stand]:
    monkeypatch.setattr(events, "LOOK_S", 0.02)
    hearing = await Hearing().begin()
    async with FanOut.run(hearing.log, hearing.log) as together:
        yield Stand(hearing, together)


async def test_the_end_of_the_process_ends_it(stand: Stand) -> None:
    stream = stand.open()
    await stand.browser.until("event: ready")
    stand.closing.set()
    await stream
    assert stand.browser.ended


@pytest.mark.parametrize("why", ["closing", "gone", "stalled"])
async def test_a_browser_that_does_not_read_holds_up_nothing(
    stand: Stand, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = asyncio.all_tasks()
    stream = stand.open()
    await stand.browser.until("event: ready")
    stand.browser.reads.clear()
    await stand.fill()
    await stand.browser.stuck.wait()
    monkeypatch.setattr(events, "STALLED_S", 0.05)
    if why != "stalled":
        getattr(stand.browser if why == "gone" else stand, why).set()
    await stream
    assert asyncio.all_tasks() == before


async def test_a_browser_that_leaves_is_told_of_to_the_others(stand: Stand) -> None:
    stream = stand.open()
    await stand.browser.until("event: ready")
    assert (await stand.hearing.until("presence"))["state"] == "here"
    stand.browser.gone.set()
    await stream
    assert (await stand.hearing.until("presence"))["state"] == "gone"


async def test_a_browser_that_leaves_while_it_is_announced_is_here_no_more(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling = asyncio.Event()

    async def tell(*_: object) -> None:
        telling.set()
        if not stand.browser.gone.is_set():  # a database that takes its time
            await asyncio.Event().wait()

    monkeypatch.setattr(stand.hearing.log, "tell", tell)
    stream = stand.open()
    await telling.wait()
    stand.browser.gone.set()
    await stream
    assert stand.presences.arrive(stand.hearing.talk.id, object(), KEN) == []


async def test_who_came_back_reads_past_the_time_they_left(stand: Stand) -> None:
    talks, talk = stand.hearing.talks, stand.hearing.talk.id
    await talks.add_member(talk, KEN.name, Role.SPEAKER)
    await talks.remove_member(talk, KEN.id, by=MARI.id)
    await talks.add_member(talk, KEN.name, Role.LISTENER)
    stream = stand.open(user=KEN)
    await stand.browser.until("event: ready")
    assert '"seq":4' in stand.browser.text
    await talks.remove_member(talk, KEN.id, by=MARI.id)
    await stream
    assert stand.browser.text.count("event: member.left") == 2


async def test_who_is_removed_reads_nothing_of_what_came_together_with_it(stand: Stand) -> None:
    talks, talk = stand.hearing.talks, stand.hearing.talk.id
    await talks.add_member(talk, KEN.name, Role.LISTENER)
    stream = stand.open(user=KEN)
    await stand.browser.until("event: ready")
    await talks.remove_member(talk, KEN.id, by=MARI.id)
    await stand.hearing.log.append(talk, said("ひみつ"))
    await stream
    assert "member.left" in stand.browser.text
    assert "ひみつ" not in stand.browser.text


async def test_no_such_talk_is_said(stand: Stand) -> None:
    talk = stand.hearing.talk.id
    await stand.hearing.talks.delete(talk, MARI.id)
    await stand.open()
    assert f'"error":"not_found","talk":"{talk}"' in stand.browser.text
    assert stand.browser.ended
