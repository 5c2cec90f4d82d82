"""Events down: a backlog, then what happens; resumed, shared, ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.integration.house import Guest, House, ServerKind, house


async def say(guest: Guest, talk: str, text: str) -> None:
    answer = await guest.http.post(f"/talks/{talk}/messages", json={"text": text})
    assert answer.status_code == 201


async def test_a_reader_gets_the_backlog_then_ready_then_what_happens(mari: Guest) -> None:
    talk = await mari.new_talk()
    await say(mari, talk, "一")
    async with mari.reading(talk) as events:
        assert [(await events.next())["type"] for _ in range(2)] == [
            "member.joined",
            "utterance.final",
        ]
        ready = await events.next()
        assert (ready["type"], ready["seq"]) == ("ready", 2)
        await say(mari, talk, "二")
        live = await events.until("utterance.final")
        assert (live["id"], live["seq"], live["text"], live["talk"]) == ("3", 3, "二", talk)


async def test_a_reader_resumes_where_it_was(mari: Guest) -> None:
    talk = await mari.new_talk()
    for text in "一二三":
        await say(mari, talk, text)
    async with mari.reading(talk, after=3) as events:
        assert (await events.next())["text"] == "三"
    headers = {"last-event-id": "2"}
    async with mari.http.stream("GET", f"/talks/{talk}/stream", headers=headers) as response:
        lines = response.aiter_lines()
        while not (line := await anext(lines)).startswith("data:"):
            pass
    assert "二" in line


async def test_a_cursor_from_the_future_hides_nothing(mari: Guest) -> None:
    talk = await mari.new_talk()
    async with mari.reading(talk, after=999) as events:
        assert (await events.next())["seq"] == 1
        await say(mari, talk, "一")
        assert (await events.until("utterance.final"))["seq"] == 2


async def test_one_stream_carries_several_talks(mari: Guest, ken: Guest) -> None:
    one, two = await mari.new_talk(), await mari.new_talk()
    path = f"/stream?after={one}:0,{two}:1"
    async with mari.reading(one, path=path) as events:
        for _ in range(2):
            await events.until("ready")
        await say(mari, two, "二")
        assert (await events.until("utterance.final"))["talk"] == two
        assert all("id" not in event for event in events.seen)
    assert (await ken.http.get(path)).status_code == 404
    assert (await mari.http.get("/stream?after=nonsense")).status_code == 400


async def test_a_reader_who_is_removed_reads_no_more(mari: Guest, ken: Guest) -> None:
    talk = await mari.new_talk()
    await mari.http.post(f"/talks/{talk}/members", json={"name": "Ken"})
    async with ken.reading(talk) as events:
        await events.until("ready")
        await mari.http.delete(f"/talks/{talk}/members/{ken.id}")
        await say(mari, talk, "ひみつ")
        rest = await events.rest()
    assert rest[-1]["type"] == "member.left"


async def test_a_deleted_talk_ends_its_streams(mari: Guest) -> None:
    talk = await mari.new_talk()
    await say(mari, talk, "けす")
    async with mari.reading(talk) as events:
        await events.until("ready")
        await mari.http.delete(f"/talks/{talk}")
        assert (await events.rest())[-1]["type"] == "talk.deleted"


async def test_who_is_here_is_told(mari: Guest, ken: Guest) -> None:
    talk = await mari.new_talk()
    await mari.http.post(f"/talks/{talk}/members", json={"name": "Ken"})
    async with mari.reading(talk) as events:
        await events.until("ready")
        async with ken.reading(talk) as kens:
            await kens.until("ready")
            await events.until(lambda e: e.get("name") == "Ken" and e.get("state") == "here")
        await events.until(lambda e: e.get("name") == "Ken" and e.get("state") == "gone")


async def test_closing_ends_every_stream(home: House, mari: Guest) -> None:
    talk = await mari.new_talk()
    async with mari.reading(talk) as events:
        await events.until("ready")
        home.services.closing.set()
        await events.rest()


async def test_two_processes_share_a_talk(database_url: str, server_kind: ServerKind) -> None:
    async with (
        house(database_url, server_kind) as one,
        house(database_url, server_kind) as two,
        one.guest("まり") as mari,
        two.client() as http,
    ):
        http.headers["authorization"] = mari.http.headers["authorization"]
        away = Guest(http, mari.id, mari.name)
        talk = await mari.new_talk()
        async with away.reading(talk) as events:
            await events.until("ready")
            await say(mari, talk, "こちら")
            assert (await events.until("utterance.final"))["text"] == "こちら"
            one.chat.replies = [["はい。"]]
            asked = (await mari.http.post(f"/talks/{talk}/reply")).json()["reply_id"]
            finished = await events.until("reply.finished")
            assert (finished["reply_id"], finished["text"]) == (asked, "はい。")
            clause = next(e for e in events.seen if e["type"] == "reply.clause")
        clip = await http.get(f"/talks/{talk}/clips/{clause['clip']}")
        assert clip.status_code == 200


async def test_a_newcomer_is_told_who_is_here_and_two_tabs_are_one_person(home: House) -> None:
    async with home.guest("さくら") as sakura, home.guest("Ren") as ren:
        talk = await sakura.new_talk()
        await sakura.http.post(f"/talks/{talk}/members", json={"name": "Ren", "role": "speaker"})

        def of(who: Guest, state: str) -> Callable[[dict[str, Any]], bool]:
            wanted = {"type": "presence", "participant": who.id, "state": state}
            return lambda event: wanted.items() <= event.items()

        async with sakura.reading(talk) as first:
            await first.until(of(sakura, "here"))
            async with ren.reading(talk) as newcomer:
                await newcomer.until("ready")
                await newcomer.until(of(sakura, "here"))
                await first.until(of(ren, "here"))
                async with sakura.reading(talk) as second:
                    await second.until(of(ren, "here"))
                said = await sakura.http.post(f"/talks/{talk}/messages", json={"text": "まだ"})
                assert said.status_code == 201
                await newcomer.until("utterance.final")
                assert not any(of(sakura, "gone")(event) for event in newcomer.seen)
            await first.until(of(ren, "gone"))
