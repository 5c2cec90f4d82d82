"""A busy evening: two talks, four talkers, ten listeners, two who type and call the agent; and what
must be true when everything that was done to them is over."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg

from tests.faults.faults import plan, strike
from tests.faults.model import PIECES
from tests.faults.people import Capture, Listener, Person, Talker, Typist
from tests.faults.site import START_S, Hung, Site, running

END_S: Final = 150.0  # all that was spoken is stored, when everything works again
QUIET_S: Final = 40.0  # then every reply has ended, and every listener has everything
CUT_MS: Final = 64  # utterances that are nearer than two frames were one stretch of speech
MODES: Final = ("hands-free", "button")
WHOLE: Final = "".join(PIECES)
_STATUS: Final = """
    SELECT payload->>'status' FROM events
    WHERE talk_id = $1 AND payload->>'type' = 'reply.finished' AND payload->>'reply_id' = $2
"""

Event = dict[str, Any]
T = TypeVar("T")


@dataclass
class Scene:
    talkers: list[Talker]
    listeners: list[Listener]
    typists: list[Typist]

    @property
    def talks(self) -> list[str]:
        return [typist.talk for typist in self.typists]


async def play(seed: int, seconds: float, folder: Path) -> str:
    """Run it, check it; returns what was seen. Raises AssertionError with what is not as it must
    be."""
    rng = random.Random(seed)
    blows = plan(rng, seconds)
    async with running(folder, random.Random(seed)) as site:
        scene = await _gathered(site, rng)
        over, read = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as reading:
            for listener in scene.listeners:
                reading.create_task(listener.run(read))
            async with asyncio.TaskGroup() as tasks:
                everybody: list[Talker | Typist] = [*scene.talkers, *scene.typists]
                people = [
                    tasks.create_task(each.run(over), name=f"{each.person.name} in {each.talk}")
                    for each in everybody
                ]
                await strike(site, blows, rng)
                await _within(START_S, site.until_ready(), "not every process is back")
                over.set()
                _, waiting = await asyncio.wait(people, timeout=END_S)
                if waiting:
                    names = ", ".join(task.get_name() for task in waiting)
                    raise Hung(f"after {END_S:.0f} s {names} still wait")
                answers = asyncio.gather(*(_answered(site, typist) for typist in scene.typists))
                await _within(QUIET_S, answers, "the agent does not answer")
            logs = await _within(QUIET_S, _settled(site, scene), "not everybody has everything")
            read.set()
            for app in site.apps:
                await app.stop()
        for app in site.apps:
            written = app.log.read_text()
            for bad in ("Traceback", "task_crashed", "reply_crashed"):
                assert bad not in written, f"{bad} in {app.log}"
        for events in logs.values():
            check_replies(events)
        for talker in scene.talkers:
            check_words(talker.spoken, logs[talker.talk])
        for typist in scene.typists:
            check_typed(typist, logs[typist.talk])
        return _seen(scene, logs)


async def _gathered(site: Site, rng: random.Random) -> Scene:
    scene = Scene([], [], [])
    for mode in MODES:
        owner = await Person.new(site.url, f"typist-{mode}")
        answer = await owner.ask("POST", "/talks", json={"language": "ja", "mode": mode})
        assert answer.status_code == 201, answer.text
        talk = answer.json()["id"]
        scene.typists.append(Typist(owner, talk, random.Random(rng.random())))
        for n in range(7):
            person = await Person.new(site.url, f"person-{n}-{mode}")
            member = {"name": person.name, "role": "speaker"}
            await owner.ask("POST", f"/talks/{talk}/members", json=member)
            if n < 2:
                talker = Talker(person, talk, random.Random(rng.random()), strays=n == 1)
                scene.talkers.append(talker)
            else:
                scene.listeners.append(Listener(person, talk))
    return scene


async def _within(seconds: float, work: Awaitable[T], otherwise: str) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise Hung(f"after {seconds:.0f} s {otherwise}") from None


async def _answered(site: Site, typist: Typist) -> None:
    """When everything works again, the agent says all it has to say."""
    reply_id = await typist.ask_the_agent()
    while True:
        database = await site.database()
        try:
            status = await database.fetchval(_STATUS, typist.talk, reply_id)
        finally:
            await database.close()
        if status == "complete":
            return
        if status is not None:
            reply_id = await typist.ask_the_agent()
        await asyncio.sleep(0.5)


async def _settled(site: Site, scene: Scene) -> dict[str, list[Event]]:
    """The talks' logs, once no reply is going on and every listener has read them whole; what a
    listener saw is what is there."""
    while True:
        database = await site.database()
        try:
            going_on = await database.fetchval("SELECT count(*) FROM replies WHERE NOT finished")
            logs = {talk: await _log(database, talk) for talk in scene.talks}
        finally:
            await database.close()
        lag = [
            listener for listener in scene.listeners if listener.cursor < len(logs[listener.talk])
        ]
        if not going_on and not lag:
            break
        await asyncio.sleep(0.5)
    for listener in scene.listeners:
        seen = [{k: v for k, v in event.items() if k != "talk"} for event in listener.seen]
        assert seen == logs[listener.talk], f"{listener.person.name} saw another talk"
    return logs


async def _log(database: asyncpg.Connection, talk: str) -> list[Event]:
    rows = await database.fetch(
        "SELECT seq, payload FROM events WHERE talk_id = $1 ORDER BY seq", talk
    )
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1)), "seq has gaps"
    assert await database.fetchval("SELECT seq FROM talks WHERE id = $1", talk) == len(rows)
    return [{"seq": row["seq"], **json.loads(row["payload"])} for row in rows]


def check_words(spoken: Sequence[Capture], events: Sequence[Event]) -> None:
    """Of each capture no word is missing, and none is there twice."""
    for capture in spoken:
        mine = [e for e in events if e["type"] == "utterance.final" and e["capture"] == capture.id]
        assert [e["utterance_id"] for e in mine] == [
            f"{capture.id}-{n + 1}" for n in range(len(mine))
        ]
        said = ""
        ended = 0
        for event in mine:
            text = event["text"]
            cut = event["started_ms"] - ended <= CUT_MS
            # Speech that broke off for too long is stored up to there: that word is on both sides.
            said += text[1:] if cut and said[-1:] == text[:1] else text
            ended = event["ended_ms"]
        assert said == capture.text, f"{capture.id}: {said} is not {capture.text}"


def check_replies(events: Sequence[Event]) -> None:
    """One at a time, each with an end; what was told of it is what it is."""
    going_on = None
    clauses: dict[str, list[Event]] = {}
    for event in events:
        match event["type"]:
            case "reply.started":
                assert going_on is None, f"{event['reply_id']} began within {going_on}"
                going_on = event["reply_id"]
            case "reply.clause":
                assert event["reply_id"] == going_on, "a clause of a reply that is over"
                clauses.setdefault(event["reply_id"], []).append(event)
            case "reply.finished":
                assert event["reply_id"] == going_on, "an end of a reply that is over"
                assert event["status"] in ("complete", "interrupted", "failed")
                told = clauses.get(event["reply_id"], [])
                assert [clause["index"] for clause in told] == list(range(len(told)))
                for clause in told:
                    start, end = clause["start"], clause["end"]
                    assert event["text"][start:end].strip() == clause["text"].strip()
                assert WHOLE.startswith(event["text"]), "a reply that the model never gave"
                if event["status"] == "complete":
                    said = "".join(clause["text"] for clause in told)
                    assert said == event["text"] == WHOLE, "a part of a complete reply is missing"
                going_on = None
    assert going_on is None, f"{going_on} never ended"


def check_typed(typist: Typist, events: Sequence[Event]) -> None:
    """What was answered is there, once."""
    there = Counter(
        e["text"] for e in events if e["type"] == "utterance.final" and not e["capture"]
    )
    assert there == Counter(typist.typed)
    begun = {event["reply_id"] for event in events if event["type"] == "reply.started"}
    assert set(typist.asked) <= begun


def _seen(scene: Scene, logs: dict[str, list[Event]]) -> str:
    events = [event for log in logs.values() for event in log]
    statuses = Counter(e["status"] for e in events if e["type"] == "reply.finished")
    words = sum(len(capture.text) for talker in scene.talkers for capture in talker.spoken)
    return (
        f"{len(events)} events; {words} words spoken, none lost, none twice; uploads taken up "
        f"{sum(talker.resumed for talker in scene.talkers)} times, streams "
        f"{sum(listener.resumed for listener in scene.listeners)} times; replies: {dict(statuses)}"
    )
