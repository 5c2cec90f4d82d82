"""Whoever cuts in, at whatever moment: nothing goes on, nothing is invented, nothing is left."""

from __future__ import annotations

import asyncio
import random

from kaiwa.adapters.memory.llm import Hold, Step
from tests.integration.house import Guest, House
from tests.integration.test_replies import ask, say, stop

TIMES = 40
PIECES = ("昔々、", "あるところに、", "狐がいました。", "狐は山へ、", "行きました。", "おしまい。")
PIECE_S = 0.02


def slowly() -> tuple[list[Step], list[asyncio.Event]]:
    events = [asyncio.Event() for _ in PIECES]
    steps: list[Step] = []
    for piece, event in zip(PIECES, events, strict=True):
        steps += [piece, Hold(event)]
    return steps, events


async def test_a_reply_that_is_cut_at_any_moment_leaves_only_what_was_heard(
    home: House, mari: Guest
) -> None:
    chance = random.Random(seed := random.randrange(10_000))
    print(f"seed {seed}")
    replies = [slowly() for _ in range(TIMES)]
    home.chat.replies = [steps for steps, _ in replies]
    talk = await mari.new_talk()
    heard: dict[str, str] = {}
    async with mari.reading(talk) as events:
        await events.until("ready")
        tasks = len(asyncio.all_tasks())
        for _, pieces in replies:
            await say(mari, talk, "続けて")
            reply = await ask(mari, talk)
            for at, piece in enumerate(pieces, start=1):
                asyncio.get_running_loop().call_later(at * PIECE_S, piece.set)
            await asyncio.sleep(chance.uniform(0, PIECE_S * (len(pieces) + 2)))
            ms = chance.randrange(4_000)
            place = chance.choice([None, {"clause": 0, "ms": 0}, {"clause": 0, "ms": ms}])
            await stop(mari, talk, reply_id=reply, heard=place)
            await events.until("reply.finished")
        last = await ask(mari, talk)
        await events.until("reply.finished")
        settled = await mari.events(talk)
        assert home.chat.running == 0
        assert len(asyncio.all_tasks()) <= tasks + 1  # a connection of the client's, at most
    for reply in (e["reply_id"] for e in settled if e["type"] == "reply.started"):
        mine = [e for e in settled if e.get("reply_id") == reply]
        kinds = [e["type"] for e in mine]
        assert kinds.count("reply.finished") == 1 and kinds.count("reply.cut") <= 1
        assert "reply.clause" not in kinds[kinds.index("reply.finished") :]
        clauses = "".join(e["text"] for e in mine if e["type"] == "reply.clause")
        (finished,) = (e for e in mine if e["type"] == "reply.finished")
        assert "".join(PIECES).startswith(finished["text"])
        heard[reply] = finished["text"]
        for cut in (e for e in mine if e["type"] == "reply.cut"):
            assert clauses.startswith(cut["heard_text"])
            heard[reply] = cut["heard_text"]
    assert [e["seq"] for e in settled] == list(range(1, len(settled) + 1))
    remembered = [text for reply, text in heard.items() if text and reply != last]
    prompt = [m.content for m in home.chat.asked[-1] if m.role == "assistant"]
    assert prompt and prompt == remembered[-len(prompt) :]
