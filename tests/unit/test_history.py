"""What was said is read from the log once."""

from __future__ import annotations

import asyncio

import pytest

from kaiwa.adapters.memory.event_log import MemoryEventLog
from kaiwa.domain.events import MemberJoined, Recorded
from kaiwa.domain.ids import TalkId
from kaiwa.domain.talk import Role
from kaiwa.errors import NotFound
from kaiwa.pipeline import history
from kaiwa.pipeline.history import Histories

TALK = TalkId("talk")


class CountingLog(MemoryEventLog):
    """Remembers from where it was read."""

    def __init__(self) -> None:
        super().__init__()
        self.add_talk(TALK)
        self.reads: list[int] = []

    async def read(self, talk: TalkId, after: int, limit: int = 500) -> list[Recorded]:
        self.reads.append(after)
        await asyncio.sleep(0)
        return await super().read(talk, after, min(limit, 2))

    async def join(self, name: str, talk: TalkId = TALK) -> None:
        await self.append(talk, MemberJoined(participant=name, name=name, role=Role.SPEAKER))


async def test_all_pages_are_read_and_later_only_what_is_new() -> None:
    log = CountingLog()
    for name in "abc":
        await log.join(name)
    histories = Histories(log)
    assert [r.seq for r in await histories.of(TALK)] == [1, 2, 3]
    log.reads.clear()
    await log.join("d")
    assert [r.seq for r in await histories.of(TALK)] == [1, 2, 3, 4]
    assert min(log.reads) == 3


async def test_readers_at_once_get_each_event_once() -> None:
    log = CountingLog()
    for name in "abc":
        await log.join(name)
    histories = Histories(log)
    both = await asyncio.gather(histories.of(TALK), histories.of(TALK))
    assert [[r.seq for r in events] for events in both] == [[1, 2, 3]] * 2


async def test_only_the_talks_asked_for_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "TALKS_KEPT", 1)
    log = CountingLog()
    await log.join("a")
    histories = Histories(log)
    await histories.of(TALK)
    log.add_talk(other := TalkId("other"))
    await histories.of(other)
    log.reads.clear()
    await histories.of(TALK)
    assert 0 in log.reads


async def test_what_is_erased_is_in_no_later_prompt() -> None:
    log = CountingLog()
    for name in "abc":
        await log.join(name)
    histories = Histories(log)
    await histories.of(TALK)
    log.erase(TALK, 1, 2)
    assert [r.seq for r in await histories.of(TALK)] == [3]
    log.forget_talk(TALK)
    with pytest.raises(NotFound):
        await histories.of(TALK)
    assert "'c'" not in str(vars(histories))
