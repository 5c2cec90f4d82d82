"""What goes on for long ends when it is allowed no longer, whatever the database does."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from kaiwa.domain.ids import SessionId
from kaiwa.domain.talk import Role
from kaiwa.web.permits import watched
from kaiwa.web.sessions import SignedIn
from tests.fakes.hearing import KEN, MARI, Hearing


async def test_a_removal_counts_also_where_the_database_was_away_when_it_was_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kaiwa.web.permits.DATABASE_RETRY_S", 0)
    hearing = await Hearing().begin()
    talk, lost, asked = hearing.talk.id, asyncio.Event(), asyncio.Event()
    await hearing.talks.add_member(talk, KEN.name, Role.SPEAKER)

    async def get(*given: Any) -> Any:
        asked.set()
        return await hearing.talks.get(*given)

    services: Any = SimpleNamespace(
        talks=SimpleNamespace(get=get),
        wakeups=hearing.log,
        sessions=SimpleNamespace(watching=lambda *_: nullcontext()),
    )
    found = SignedIn(KEN, SessionId("session"))
    async with watched(services, found, talk, Role.SPEAKER, lost.set):
        await asked.wait()
        await hearing.talks.remove_member(talk, KEN.id, by=MARI.id)
        hearing.log.down = True
        asked.clear()
        await asked.wait()
        hearing.log.down = False
        await lost.wait()
