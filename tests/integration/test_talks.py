"""Talks, their members, and that nobody else reaches them."""

from __future__ import annotations

import pytest

from tests.integration.house import Guest, House


async def test_a_talk_is_made_listed_changed_and_deleted(mari: Guest) -> None:
    talk = await mari.new_talk(title="朝")
    changed = await mari.http.patch(f"/talks/{talk}", json={"title": "夜", "mode": "hands-free"})
    assert (changed.json()["title"], changed.json()["mode"]) == ("夜", "hands-free")
    assert [t["title"] for t in (await mari.http.get("/talks")).json()["talks"]] == ["夜"]
    told = (await mari.events(talk))[-1]
    assert (told["type"], told["settings"]) == (
        "talk.updated",
        {"title": "夜", "mode": "hands-free"},
    )
    assert (await mari.http.delete(f"/talks/{talk}")).status_code == 204
    assert (await mari.http.get(f"/talks/{talk}")).status_code == 404
    assert (await mari.http.get("/talks")).json()["talks"] == []


@pytest.mark.parametrize(
    "wrong", [{"language": "Japanese"}, {"mode": "always"}, {"colour": "red"}, {"title": "x" * 999}]
)
async def test_a_setting_that_cannot_be_is_refused(mari: Guest, wrong: dict[str, str]) -> None:
    talk = await mari.new_talk()
    assert (await mari.http.post("/talks", json=wrong)).status_code == 422
    answer = await mari.http.patch(f"/talks/{talk}", json=wrong)
    assert answer.status_code == 422
    assert next(iter(wrong)) in answer.json()["error"]["message"]


async def test_the_same_key_makes_one_talk_and_one_message(mari: Guest) -> None:
    key = {"idempotency-key": "again"}
    first = await mari.http.post("/talks", json={"title": "a"}, headers=key)
    assert (await mari.http.post("/talks", json={"title": "b"}, headers=key)).json() == first.json()
    path = f"/talks/{first.json()['id']}/messages"
    said = await mari.http.post(path, json={"text": "はい"}, headers=key)
    assert (await mari.http.post(path, json={"text": "はい"}, headers=key)).json() == said.json()


async def test_members_do_what_their_role_allows(mari: Guest, ken: Guest) -> None:
    talk = await mari.new_talk()
    joined = await mari.http.post(
        f"/talks/{talk}/members", json={"name": "Ken", "role": "listener"}
    )
    assert joined.json() == {"participant": ken.id, "name": "Ken", "role": "listener"}
    assert (await ken.http.get(f"/talks/{talk}")).json()["role"] == "listener"
    message = {"text": "やあ"}
    assert (await ken.http.post(f"/talks/{talk}/messages", json=message)).status_code == 403
    await mari.http.post(f"/talks/{talk}/members", json={"name": "Ken", "role": "speaker"})
    assert (await ken.http.post(f"/talks/{talk}/messages", json=message)).status_code == 201
    assert (await ken.http.delete(f"/talks/{talk}")).status_code == 403
    assert (await ken.http.delete(f"/talks/{talk}/members/{mari.id}")).status_code == 403
    assert (await ken.http.delete(f"/talks/{talk}/members/{ken.id}")).status_code == 204
    assert (await ken.http.get(f"/talks/{talk}")).status_code == 404


async def test_a_talk_keeps_an_owner(mari: Guest) -> None:
    talk = await mari.new_talk()
    answer = await mari.http.delete(f"/talks/{talk}/members/{mari.id}")
    assert answer.status_code == 409


async def test_only_ones_own_words_are_corrected_and_the_original_stays(
    mari: Guest, ken: Guest
) -> None:
    talk = await mari.new_talk()
    await mari.http.post(f"/talks/{talk}/members", json={"name": "Ken"})
    said = (await mari.http.post(f"/talks/{talk}/messages", json={"text": "雨"})).json()
    path = f"/talks/{talk}/utterances/{said['utterance_id']}"
    assert (await ken.http.patch(path, json={"text": "飴"})).status_code == 403
    assert (await mari.http.patch(path, json={"text": "飴"})).status_code == 200
    texts = [e["text"] for e in await ken.events(talk) if "text" in e]
    assert texts == ["雨", "飴"]
    assert (await ken.http.get(f"/talks/{talk}/export")).text == "まり: 飴\n"


async def test_search_finds_in_my_talks_only(mari: Guest, ken: Guest) -> None:
    talk = await mari.new_talk(title="天気")
    await mari.http.post(f"/talks/{talk}/messages", json={"text": "明日は晴れ、100%です"})
    found = (await mari.http.get("/search", params={"q": "100%"})).json()["results"]
    assert [(hit["talk"], hit["title"]) for hit in found] == [(talk, "天気")]
    assert (await ken.http.get("/search", params={"q": "晴れ"})).json()["results"] == []
    assert (await mari.http.get("/search", params={"q": "1_0"})).json()["results"] == []


@pytest.mark.parametrize("form", ["txt", "md", "srt", "vtt", "json"])
async def test_a_talk_is_given_back_as_a_file(mari: Guest, form: str) -> None:
    talk = await mari.new_talk(title="夜/../\r\n;")
    await mari.http.post(f"/talks/{talk}/messages", json={"text": "おやすみ"})
    answer = await mari.http.get(f"/talks/{talk}/export", params={"format": form})
    assert answer.status_code == 200
    assert "おやすみ" in answer.text
    assert answer.headers["content-disposition"] == (
        f"attachment; filename*=UTF-8''%E5%A4%9C%2F..%2F%0D%0A%3B.{form}"
    )


async def test_the_api_describes_itself(home: House) -> None:
    async with home.client() as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
    assert {"/talks", "/talks/{talk_id}/stream", "/talks/{talk_id}/reply"} <= set(paths)


async def test_ready_means_that_every_part_answers(home: House) -> None:
    async with home.client() as http:
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/readyz")).json()["ready"] is True
        home.recogniser.down = "the recogniser is away"
        answer = await http.get("/readyz")
        by_proxy = await http.get("/readyz", headers={"x-forwarded-for": "203.0.113.9"})
    assert answer.status_code == 503
    assert answer.json()["parts"]["recogniser"] == "the recogniser is away"
    assert by_proxy.json()["parts"]["recogniser"] == "recogniser_down"


async def test_a_talk_is_put_away_for_oneself_alone(home: House) -> None:
    async with home.guest("つむぎ") as tsumugi, home.guest("Aoi") as aoi:
        talk = await tsumugi.new_talk()
        member = {"name": "Aoi", "role": "listener"}
        await tsumugi.http.post(f"/talks/{talk}/members", json=member)
        assert (await aoi.http.put(f"/talks/{talk}/archive")).status_code == 204
        (seen,) = (await aoi.http.get("/talks")).json()["talks"]
        assert seen["archived"]
        assert not (await tsumugi.http.get(f"/talks/{talk}")).json()["archived"]
        assert (await aoi.http.delete(f"/talks/{talk}/archive")).status_code == 204
        assert not (await aoi.http.get(f"/talks/{talk}")).json()["archived"]


async def test_a_talk_without_a_title_is_known_by_what_was_said_first(mari: Guest) -> None:
    async def listed() -> list[tuple[str, str]]:
        talks = (await mari.http.get("/talks")).json()["talks"]
        return [(talk["title"], talk["first_words"]) for talk in talks]

    talk = await mari.new_talk()
    assert await listed() == [("", "")]
    said = (await mari.http.post(f"/talks/{talk}/messages", json={"text": "明日の天気は？"})).json()
    await mari.http.post(f"/talks/{talk}/messages", json={"text": "傘はいりますか。"})
    assert await listed() == [("", "明日の天気は？")]
    corrected = {"text": "明日の電気は？"}
    await mari.http.patch(f"/talks/{talk}/utterances/{said['utterance_id']}", json=corrected)
    assert await listed() == [("", "明日の電気は？")]
    await mari.http.patch(f"/talks/{talk}", json={"title": "天気"})
    assert await listed() == [("天気", "")]
