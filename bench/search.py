"""How long a search over all my talks takes: 100,000 utterances in 1,000 talks, half of them mine.

    python -m bench.search [UTTERANCES]

Prints how long it took to read them all, which a server does behind everything else, and for each
query the middle and the slowest of 20 runs and how many were found (at most 50).
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kaiwa.adapters.postgres.accounts import PostgresAccounts
from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.embedded import embedded_postgres
from kaiwa.adapters.postgres.migrate import migrate
from kaiwa.adapters.postgres.readings import read_lines
from kaiwa.adapters.postgres.talks import PostgresTalks
from kaiwa.domain.ids import UserId
from kaiwa.domain.talk import TalkSettings
from kaiwa.policy.search import folded

TALKS = 1_000
RUNS = 20
WHEN = ["今日", "明日", "昨日", "来週", "さっき", "そのうち", "毎朝", "夕方"]
WHO = ["私", "田中さん", "お母さん", "先生", "みんな", "彼女", "となりの人", "駅員さん"]
WHAT = ["天気", "会議", "ラーメン", "コンピューター", "新幹線", "宿題", "薬", "図書館", "カメラ"]
DID = ["見ました", "食べました", "忘れました", "話しました", "調べています", "欲しいです"]
RARE = "金木犀"
QUERIES = [
    "です",
    "天気",
    "薬",
    "新幹線",
    "しんかんせん",
    "こんぴゅーたー",
    "田中さんはラーメン",
    RARE,
    "が",
]
QUERIES += ["ありません", "meeting 42", "ＭＥＥＴＩＮＧ"]
QUERIES += ["てんき", "としょかん", "きんもくせい", "とーしょ", "こうこう", "しょう", "あめ", "ぷ"]
QUERIES += ["引越し", "日見", "毎薬", "食天", "さん天", "新幹線を食"]  # as okurigana allows
QUERIES += ["みつからないことば", "たなかさんはらーめん", "こうこうせい"]


def utterances(count: int) -> list[str]:
    dice = random.Random(7)  # noqa: S311
    made = []
    for n in range(count):
        text = f"{dice.choice(WHEN)}、{dice.choice(WHO)}は{dice.choice(WHAT)}を{dice.choice(DID)}。"
        text += "".join(chr(dice.randrange(0x4E00, 0x6E00)) for _ in range(4))
        if n % 50 == 0:
            text += f" Meeting {n % 97} at noon"
        if n % 10_000 == 5_100:  # in talks of mine
            text += RARE
        if n % 10_000 == 5_300:
            text += "引っ越し"
        made.append(text)
    return made


async def fill(database: Database, count: int) -> UserId:
    accounts, talks = PostgresAccounts(database), PostgresTalks(database)
    mari, ken = await accounts.register("まり", None), await accounts.register("Ken", None)
    ids = [
        (await talks.create(mari if n % 2 else ken, TalkSettings(), None)).id for n in range(TALKS)
    ]
    began = datetime(2026, 1, 1, tzinfo=UTC)
    rows: list[Any] = []
    for n, text in enumerate(utterances(count)):
        at = began + timedelta(seconds=30 * n)
        talk = ids[n * TALKS // count]
        rows.append((talk, f"u{n}", n, "まり", False, at, text, folded(text)))
    columns = ["talk_id", "id", "seq", "name", "reply", "at", "text", "folded"]
    async with database.connection() as connection:
        for start in range(0, count, 5_000):
            await connection.copy_records_to_table(
                "lines", records=rows[start : start + 5_000], columns=columns
            )
    began_reading = time.perf_counter()
    assert await read_lines(database) == count
    print(f"read in {time.perf_counter() - began_reading:.0f} s")
    async with database.connection() as connection:
        await connection.execute("VACUUM ANALYZE", timeout=120)
        size = await connection.fetchval("SELECT pg_total_relation_size('lines')")
        print(f"{count:,} utterances, {size / 1e6:,.0f} MB")
    return mari.id


async def run(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="kaiwa-bench-") as folder:
        async with embedded_postgres(Path(folder)) as server:
            await migrate(server.url)
            async with Database.open(server.url) as database:
                mari = await fill(database, count)
                talks = PostgresTalks(database)
                for query in QUERIES:
                    took = []
                    for _ in range(RUNS):
                        began = time.perf_counter()
                        found = await talks.search(mari, query, limit=50)
                        took.append((time.perf_counter() - began) * 1000)
                    middle = statistics.median(took)
                    print(f"{middle:7.1f} ms  {max(took):7.1f} ms  {len(found):3}  {query}")


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
