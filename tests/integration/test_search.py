"""Search finds what talks say now, and nothing that was taken back."""

from __future__ import annotations

import asyncio

import pytest

from kaiwa.adapters.postgres.accounts import PostgresAccounts
from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.event_log import PostgresEventLog
from kaiwa.adapters.postgres.readings import LOCK, read_lines
from kaiwa.adapters.postgres.talks import PostgresTalks
from kaiwa.domain.events import (
    Durable,
    ReplyClause,
    ReplyCut,
    ReplyFinished,
    ReplyStarted,
    UtteranceEdited,
    UtteranceFinal,
)
from kaiwa.domain.talk import TalkSettings, User
from tests.integration.house import house

PATIENCE_S = 120.0  # a child that yields to everybody starts slowly on a busy machine


class Told:
    """A talk of Mari's in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.talks = PostgresTalks(database)
        self.log = PostgresEventLog(database)
        self.mari: User

    async def begin(self) -> Told:
        self.mari = await PostgresAccounts(self.database).register("まり", None)
        self.talk = (await self.talks.create(self.mari, TalkSettings(), None)).id
        return self

    async def append(self, *events: Durable) -> None:
        for event in events:
            await self.log.append(self.talk, event)

    async def finds(self, text: str) -> list[str]:
        return [hit.text for hit in await self.talks.search(self.mari.id, text, 50)]


@pytest.fixture
async def told(database: Database) -> Told:
    return await Told(database).begin()


def said(text: str, number: int = 1) -> UtteranceFinal:
    return UtteranceFinal(
        utterance_id=f"u{number}",
        participant="mari",
        name="まり",
        text=text,
        language="ja",
        started_ms=0,
        ended_ms=1,
    )


@pytest.mark.parametrize("query", ["雨", "カメラ", "ｶﾒﾗ", "かめら", "ＡＢＣ", "abc def", "はカメ"])
async def test_any_substring_whatever_its_width_case_and_kana(told: Told, query: str) -> None:
    text = "雨の日はカメラ、Abc  DEF 100%"
    await told.append(said(text))
    assert await told.finds(query) == [text]


@pytest.mark.parametrize("newest", [0, 2_000])
@pytest.mark.parametrize(
    "variants",
    [
        ["引っ越しした", "引越しした", "引越する", "引ッ越シ"],
        ["申し込み", "申込み", "申込"],
        ["打ち合わせ", "打合せ", "打合わせ", "打ち合せ"],
    ],
)
async def test_kana_that_may_be_left_out_make_no_difference(
    told: Told, newest: int, variants: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaiwa.adapters.postgres.talks.NEWEST", newest)
    await told.append(*(said(text, n) for n, text in enumerate(variants)), said("引く、打つ", 9))
    stems = {"引っ越し", "引越し", "引越", *variants} if variants[0][0] == "引" else {*variants}
    for query in stems - {"引っ越しした", "引越しした", "引越する"}:
        assert sorted(await told.finds(query)) == sorted(variants), query


@pytest.mark.parametrize("query", ["雨日", "カメ ラ", "bcd", "1_0", "", "  ", "\\"])
async def test_nothing_else(told: Told, query: str) -> None:
    await told.append(said("雨の日はカメラ、Abc  DEF 100%"))
    assert await told.finds(query) == []


async def test_a_corrected_original_is_not_found(told: Told) -> None:
    await told.append(said("雨"), UtteranceEdited(utterance_id="u1", text="飴", by="mari"))
    assert await told.finds("雨") == []
    assert await told.finds("飴") == ["飴"]


async def test_of_a_reply_that_was_cut_only_what_was_heard_is_found(told: Told) -> None:
    claim = await told.log.claim_reply(told.talk, cause="mari", owner="p", name="AI")
    reply = claim.reply_id
    assert await told.finds("AI") == []
    whole = "晴れです。でも雨。"
    clause = ReplyClause(reply_id=reply, index=0, text=whole, start=0, end=9)
    await told.append(clause, ReplyFinished(reply_id=reply, status="complete", text=whole))
    assert await told.finds("雨") == [whole]
    cut = ReplyCut(reply_id=reply, by="mari", clause=0, ms=1, heard_text="晴れです。")
    await told.append(cut)
    assert await told.finds("雨") == []
    assert await told.finds("晴れ") == ["晴れです。"]


async def test_a_cut_that_came_before_the_end_holds(told: Told) -> None:
    reply = (await told.log.claim_reply(told.talk, cause="m", owner="p", name="AI")).reply_id
    await told.append(
        ReplyCut(reply_id=reply, by="mari", clause=0, ms=1, heard_text="晴れ"),
        ReplyFinished(reply_id=reply, status="interrupted", text="晴れのち雨"),
    )
    assert await told.finds("雨") == []


READ = {
    "きょうと": "京都へ行った",
    "キョウトへい": "京都へ行った",
    "とーきょーえき": "東京駅で",
    "おうさか": "大阪",
    "ｺﾝﾋﾟｭｰﾀｰ": "コンピュータを買う",
    "バイオリン": "ヴァイオリン",
    "そふとうえあ": "ソフトウェア",
    "あしたのかいぎ": "明日の会議",
    "わたしのいえ": "私の家",
    "つくえのうえ": "机の上",
    "わいふぁいのちょうし": "Wi-Fiの調子",
    "おはよう": "おはよー",
}


@pytest.mark.parametrize("newest", [0, 2_000])
async def test_kana_find_what_is_read_so(
    told: Told, newest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaiwa.adapters.postgres.talks.NEWEST", newest)
    await told.append(*(said(text, n) for n, text in enumerate(set(READ.values()))))
    await read_lines(told.database)
    found = {query: await told.finds(query) for query in READ}
    assert found == {query: [text] for query, text in READ.items()}


async def test_no_kana_find_what_sounds_otherwise(told: Told) -> None:
    await told.append(said("病院とテーマ"))
    await read_lines(told.database)
    for query in ("びよういん", "いま", "きょう と", "う'と", "京と", "と\\", "(と", "[と]"):
        assert await told.finds(query) == [], query


async def test_every_line_is_read_once_and_again_when_it_changes(told: Told) -> None:
    await told.append(said("雨", 1), said("飴", 2), said("hello", 3))
    assert await read_lines(told.database) == 3
    assert await read_lines(told.database) == 0
    await told.append(UtteranceEdited(utterance_id="u1", text="雪", by="mari"))
    assert await told.finds("あめ") == ["飴"], "the old text's reading went with it"
    assert await read_lines(told.database) == 1
    assert await told.finds("ゆき") == ["雪"]


async def test_long_lines_and_ligatures_keep_no_other_line_from_being_read(told: Told) -> None:
    long = [said("㍿" * 8_000, n) for n in range(2, 10)]
    await told.append(said("雨"), *long, said("本" * 30_000, 10))
    assert await read_lines(told.database) == 10
    assert await told.finds("あめ") == ["雨"]
    assert len(await told.finds("かぶしきがいしゃ")) == 8


async def test_a_server_reads_by_itself_what_the_last_one_left(
    told: Told, database_url: str
) -> None:
    await told.append(said("京都"))
    async with house(database_url) as home:
        token = (await home.services.sessions.begin(told.mari)).access
        async with home.client(token) as http, asyncio.timeout(PATIENCE_S):
            found: list[dict[str, str]] = []
            while not found:
                answer = await http.get("/search", params={"q": "きょうと"})
                found = answer.json()["results"]
                await asyncio.sleep(0.2)  # it yields to everybody, also to whoever asks
    assert [hit["text"] for hit in found] == ["京都"]


async def test_one_process_reads_at_a_time_and_another_takes_over(told: Told) -> None:
    await told.append(said("雨"))
    async with told.database.connection() as dead:
        assert await dead.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
        assert await read_lines(told.database) == 0
    assert await read_lines(told.database) == 1


async def test_nobody_finds_anothers_talk_by_how_it_is_read(told: Told) -> None:
    await told.append(said("秘密の話"))
    await read_lines(told.database)
    ken = await PostgresAccounts(told.database).register("Ken", None)
    assert await told.finds("ひみつ") == ["秘密の話"]
    assert await told.talks.search(ken.id, "ひみつ", 50) == []


async def test_what_is_rare_and_long_ago_is_found_too(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaiwa.adapters.postgres.talks.NEWEST", 3)
    await told.append(said("金木犀", 0), *(said("雨", n) for n in range(1, 9)))
    assert await told.finds("金木犀") == ["金木犀"]
    assert len(await told.finds("雨")) == 8


async def test_a_deleted_talk_leaves_nothing_to_find(told: Told) -> None:
    await told.append(said("ひみつ"), ReplyStarted(reply_id="r", generation=1, cause="", name="AI"))
    await read_lines(told.database)
    await told.talks.delete(told.talk, told.mari.id)
    assert await told.finds("ひみつ") == []
    async with told.database.connection() as connection:
        for table in ("events", "lines", "talks", "clips", "heard", "captures"):
            rows = await connection.fetch(f"SELECT {table}::text FROM {table}")  # noqa: S608
            assert "ひみつ" not in str(rows)
        assert await connection.fetchval("SELECT array_agg(seq ORDER BY seq) FROM events") == [
            *(1, 2, 3, 4)
        ], "the seq numbers stay"
