"""The agent's reply: streamed, spoken, stopped, and never a hang."""

from __future__ import annotations

import asyncio
import io
import wave

import httpx

from kaiwa.adapters.memory.llm import Fail, Hold
from kaiwa.adapters.postgres.database import Database
from kaiwa.domain.ids import TalkId
from tests.integration.house import WAIT_S, Guest, House, ServerKind, house


async def ask(guest: Guest, talk: str, **headers: str) -> str:
    answer = await guest.http.post(f"/talks/{talk}/reply", headers=headers)
    assert answer.status_code == 202, answer.text
    reply: str = answer.json()["reply_id"]
    return reply


async def say(guest: Guest, talk: str, text: str) -> None:
    await guest.http.post(f"/talks/{talk}/messages", json={"text": text})


async def stop(guest: Guest, talk: str, **body: object) -> httpx.Response:
    return await guest.http.request("DELETE", f"/talks/{talk}/reply", json=body)


async def test_a_reply_streams_and_is_spoken_clause_by_clause(home: House, mari: Guest) -> None:
    home.chat.replies = [["今日はい", "い天気、", "ですね。", "散歩しましょう。"]]
    talk = await mari.new_talk(agent_name="みみ")
    await say(mari, talk, "天気は？")
    async with mari.reading(talk) as events:
        await events.until("ready")
        reply = await ask(mari, talk)
        finished = await events.until("reply.finished")
    assert (finished["reply_id"], finished["status"]) == (reply, "complete")
    started = next(e for e in events.seen if e["type"] == "reply.started")
    assert (started["generation"], started["cause"], started["name"]) == (1, mari.id, "みみ")
    deltas = [e for e in events.seen if e["type"] == "reply.delta"]
    text = ""
    for delta in deltas:
        assert delta["offset"] == len(text)
        text += delta["text"]
    assert text == finished["text"] == "今日はいい天気、ですね。散歩しましょう。"
    clauses = [e for e in events.seen if e["type"] == "reply.clause"]
    assert [c["index"] for c in clauses] == list(range(len(clauses)))
    assert [text[c["start"] : c["end"]] for c in clauses] == [c["text"] for c in clauses]
    assert "".join(c["text"] for c in clauses) == text
    stages = ("first_token", "first_clause", "first_voice", "first_clip", "total")
    assert set(finished["timing"]) == set(stages)
    assert home.chat.asked[0][-1].content == "天気は？"


async def test_a_clip_is_wav_or_opus(home: House, mari: Guest, ken: Guest) -> None:
    home.chat.replies = [["はい、元気です。"]]
    talk = await mari.new_talk()
    async with mari.reading(talk) as events:
        await ask(mari, talk)
        clause = await events.until("reply.clause")
    path = f"/talks/{talk}/clips/{clause['clip']}"
    plain = await mari.http.get(path)
    assert plain.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(plain.content)) as sound:
        assert sound.getnframes() * 1000 // sound.getframerate() == clause["duration_ms"]
    small = await mari.http.get(path, headers={"accept": "audio/ogg"})
    assert small.headers["content-type"] == "audio/ogg"
    assert small.content.startswith(b"OggS") and len(small.content) < len(plain.content)
    assert (await ken.http.get(path)).status_code == 404
    other = await ken.new_talk()
    assert (await ken.http.get(f"/talks/{other}/clips/{clause['clip']}")).status_code == 404


async def test_the_talk_may_want_no_server_voice(home: House, mari: Guest) -> None:
    home.chat.replies = [["はい。"]]
    talk = await mari.new_talk(voice="browser")
    async with mari.reading(talk) as events:
        await ask(mari, talk)
        clause = await events.until("reply.clause")
    assert clause["clip"] is None
    assert home.tones.spoken == []


async def test_asking_while_a_reply_goes_on_gives_that_reply(home: House, mari: Guest) -> None:
    go_on = asyncio.Event()
    home.chat.replies = [["えーと、", Hold(go_on), "はい。"]]
    talk = await mari.new_talk()
    async with mari.reading(talk) as events:
        first = await ask(mari, talk)
        assert await ask(mari, talk) == first
        go_on.set()
        await events.until("reply.finished")
        assert await ask(mari, talk) != first


async def test_the_same_key_asks_once(home: House, mari: Guest) -> None:
    home.chat.replies = [["はい。"]]
    talk = await mari.new_talk()
    async with mari.reading(talk) as events:
        first = await ask(mari, talk, **{"idempotency-key": "k"})
        await events.until("reply.finished")
        assert await ask(mari, talk, **{"idempotency-key": "k"}) == first


async def test_a_reply_is_stopped_and_only_what_was_heard_is_remembered(
    home: House, mari: Guest
) -> None:
    home.chat.replies = [["実は、そうなんです。", Hold(asyncio.Event())], ["どうぞ。"]]
    talk = await mari.new_talk()
    async with mari.reading(talk) as events:
        reply = await ask(mari, talk)
        clause = await events.until("reply.clause")
        answer = await stop(
            mari, talk, reply_id=reply, heard={"clause": 0, "ms": clause["duration_ms"]}
        )
        assert answer.status_code == 204
        assert (await events.until("reply.finished"))["status"] == "interrupted"
        cut = next((e for e in events.seen if e["type"] == "reply.cut"), None)
        cut = cut or await events.until("reply.cut")
        assert (cut["by"], cut["heard_text"]) == (mari.id, clause["text"])
        async with asyncio.timeout(WAIT_S):
            await home.chat.left.wait()
        await ask(mari, talk)
        await events.until("reply.finished")
    assert home.chat.asked[1][-2].content == clause["text"]
    assert home.chat.running == 0


async def test_a_finished_reply_can_still_be_cut_while_it_plays(home: House, mari: Guest) -> None:
    home.chat.replies = [["はい、そうですね。では、また明日。"]]
    talk = await mari.new_talk()
    async with mari.reading(talk) as events:
        reply = await ask(mari, talk)
        await events.until("reply.finished")
        await stop(mari, talk, reply_id=reply, heard={"clause": 0, "ms": 60_000})
        cut = await events.until("reply.cut")
    assert "明日" not in cut["heard_text"]


async def test_the_model_reads_what_was_said_before_it_is_asked(home: House, mari: Guest) -> None:
    talk = await mari.new_talk()
    async with asyncio.timeout(WAIT_S):
        await home.chat.was_prefilled.wait()
        home.chat.was_prefilled.clear()
        await say(mari, talk, "天気は？")
        await home.chat.was_prefilled.wait()
    async with mari.reading(talk) as events:
        await ask(mari, talk)
        await events.until("reply.finished")
    instructions, read = home.chat.prefilled
    assert home.chat.asked == [read] and instructions[0] == read[0]


async def test_no_model_answering_is_an_event_in_the_talk(home: House, mari: Guest) -> None:
    home.chat.replies = [[Fail("Nobody answers at the model's address.")]]
    talk = await mari.new_talk()
    async with mari.reading(talk) as events:
        await ask(mari, talk)
        finished = await events.until("reply.finished")
    assert finished["status"] == "failed"
    assert finished["error"] == {
        "code": "model_down",
        "message": "Nobody answers at the model's address.",
    }


async def test_a_voice_that_fails_leaves_the_text_and_says_so(home: House, mari: Guest) -> None:
    home.chat.replies = [["はい、元気です。"]]
    home.tones.down = True
    talk = await mari.new_talk()
    async with mari.reading(talk) as events:
        await ask(mari, talk)
        notice = await events.until("reply.notice")
        finished = await events.until("reply.finished")
    assert notice["code"] == "voice_down"
    assert (finished["status"], finished["text"]) == ("complete", "はい、元気です。")


async def test_hands_free_answers_by_itself_and_by_name_when_called(
    home: House, mari: Guest
) -> None:
    home.chat.replies = [["はい。"]]
    free = await mari.new_talk(mode="hands-free")
    async with mari.reading(free) as events:
        await say(mari, free, "こんにちは")
        await events.until("reply.finished")
    named = await mari.new_talk(mode="name", agent_name="みみ")
    async with mari.reading(named) as events:
        await say(mari, named, "こんにちは")
        await say(mari, named, "ねえ、みみ")
        started = await events.until("reply.started")
    said = [e for e in events.seen if e["type"] == "utterance.final"]
    assert started["cause"] == said[1]["utterance_id"]


async def test_a_reply_of_another_process_is_stopped_too(
    database_url: str, server_kind: ServerKind
) -> None:
    async with (
        house(database_url, server_kind) as one,
        house(database_url, server_kind) as two,
        one.guest("まり") as mari,
        two.client() as http,
    ):
        http.headers["authorization"] = mari.http.headers["authorization"]
        one.chat.replies = [["えーと、", Hold(asyncio.Event())]]
        talk = await mari.new_talk()
        async with mari.reading(talk) as events:
            reply = await ask(mari, talk)
            await events.until("reply.delta")
            await stop(Guest(http, mari.id, mari.name), talk, reply_id=reply)
            assert (await events.until("reply.finished"))["status"] == "interrupted"


async def test_a_reply_that_its_process_left_behind_is_closed(
    home: House, mari: Guest, database: Database
) -> None:
    talk = TalkId(await mari.new_talk())
    log = home.services.event_log
    await log.claim_reply(talk, cause="x", owner="a process that died", name="AI")
    async with database.connection() as connection:
        await connection.execute("UPDATE replies SET renewed_at = now() - interval '1 minute'")
    async with mari.reading(talk) as events:
        finished = await events.until("reply.finished")
    assert finished["status"] == "interrupted"
