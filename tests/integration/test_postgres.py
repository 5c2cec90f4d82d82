"""PostgreSQL itself: lost connections, migrations, and the server in the data folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import psutil
import pytest

from kaiwa.adapters.postgres import database as database_module
from kaiwa.adapters.postgres import embedded as embedded_module
from kaiwa.adapters.postgres import migrate as migrate_module
from kaiwa.adapters.postgres import recovery as recovery_module
from kaiwa.adapters.postgres.accounts import PostgresAccounts
from kaiwa.adapters.postgres.clips import PostgresClipStore
from kaiwa.adapters.postgres.database import Database, queries
from kaiwa.adapters.postgres.embedded import (
    _new_server_user,
    embedded_postgres,
    shared_postgres,
)
from kaiwa.adapters.postgres.event_log import PostgresEventLog
from kaiwa.adapters.postgres.migrate import migrate
from kaiwa.adapters.postgres.talks import PostgresTalks
from kaiwa.adapters.postgres.wakeups import PostgresWakeups
from kaiwa.domain.audio import Speech
from kaiwa.domain.events import Recorded, TalkDeleted, UtteranceFinal
from kaiwa.domain.ids import ClipId, TalkId, new_id
from kaiwa.domain.talk import Talk, TalkSettings, User
from kaiwa.errors import AlreadyRunning, BadRequest, DatabaseDown, NotFound, SetupError
from kaiwa.pipeline.fan_out import FanOut, Item, Ready
from tests.fakes.reading import reading
from tests.fakes.utterances import said
from tests.sounds import tone

LISTENERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND query ILIKE 'LISTEN%'
"""


@pytest.fixture
async def mari(database: Database) -> User:
    return await PostgresAccounts(database).register("まり", None)


@pytest.fixture
async def talk(database: Database, mari: User) -> Talk:
    return await PostgresTalks(database).create(mari, TalkSettings(title="夜"), None)


async def kill_listeners(database: Database) -> None:
    async with database.connection() as connection:
        assert await connection.fetchval(LISTENERS)


async def next_text(items: AsyncIterator[Item]) -> str:
    while True:
        item = await anext(items)
        if isinstance(item, Recorded) and isinstance(item.event, UtteranceFinal):
            return item.event.text


async def test_a_killed_listener_reconnects_and_wakes_everybody(
    database: Database, mari: User, talk: Talk
) -> None:
    second = await PostgresTalks(database).create(mari, TalkSettings(), None)
    log = PostgresEventLog(database)
    woken: dict[TalkId, asyncio.Queue[str]] = {t.id: asyncio.Queue() for t in (talk, second)}
    async with PostgresWakeups.run(database.url) as wakeups:
        for name, queue in woken.items():
            await wakeups.listen(name, queue.put_nowait)
        await kill_listeners(database)
        for queue in woken.values():
            assert await queue.get() == ""
        for name, queue in woken.items():
            recorded = await log.append(name, said("はい"))
            assert f'"seq": {recorded.seq}' in await queue.get()


async def test_readers_lose_nothing_when_the_listener_is_killed(
    database: Database, talk: Talk
) -> None:
    log = PostgresEventLog(database)
    async with (
        PostgresWakeups.run(database.url) as wakeups,
        reading(log, wakeups, talk.id, 0) as items,
    ):
        while not isinstance(await anext(items), Ready):
            pass
        await log.append(talk.id, said("一"))
        await kill_listeners(database)
        for text in "二三":
            await log.append(talk.id, said(text))
        assert [await next_text(items) for _ in range(3)] == ["一", "二", "三"]
        await log.append(talk.id, said("四"))
        assert await next_text(items) == "四"


async def test_a_process_listens_on_one_connection_whatever_its_readers(
    database: Database, mari: User, talk: Talk
) -> None:
    second = await PostgresTalks(database).create(mari, TalkSettings(), None)
    log = PostgresEventLog(database)
    async with (
        PostgresWakeups.run(database.url) as wakeups,
        FanOut.run(log, wakeups) as fan_out,
        AsyncExitStack() as stack,
    ):
        for name in (talk.id, second.id) * 10:
            await stack.enter_async_context(fan_out.subscribe(name, 0))
        async with database.connection() as connection:
            others = await connection.fetch(
                "SELECT FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            in_pool = database._pool.get_size() - 1
            assert len(others) == in_pool + 1


async def test_a_reader_that_was_cancelled_leaves_no_listener(
    database: Database, talk: Talk
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with PostgresWakeups.run(database.url) as wakeups:
        late = asyncio.create_task(wakeups.listen(talk.id, lambda _: None))
        asyncio.get_running_loop().call_soon(late.cancel)  # while LISTEN is on its way
        with pytest.raises(asyncio.CancelledError):
            await late
        await wakeups.listen(talk.id, heard.put_nowait)
        await PostgresEventLog(database).append(talk.id, said("はい"))
        assert "はい" in await heard.get()
        await wakeups.unlisten(talk.id, heard.put_nowait)
        assert not wakeups._readers


async def test_a_listener_that_fell_silent_is_not_asked_again(
    database: Database, mari: User, talk: Talk
) -> None:
    """Each question costs seconds, and all who leave wait for one another."""
    asked = 0

    class Silent:
        async def remove_listener(self, *_: object) -> None:
            nonlocal asked
            asked += 1
            raise TimeoutError

        def terminate(self) -> None:
            """Nothing is there."""

    second = await PostgresTalks(database).create(mari, TalkSettings(), None)
    async with PostgresWakeups.run(database.url) as wakeups:
        heard: dict[TalkId, asyncio.Queue[str]] = {t.id: asyncio.Queue() for t in (talk, second)}
        for name, queue in heard.items():
            await wakeups.listen(name, queue.put_nowait)
        real, wakeups._connection = wakeups._connection, Silent()
        await asyncio.gather(*(wakeups.unlisten(t, q.put_nowait) for t, q in heard.items()))
        assert (asked, wakeups._readers) == (1, {})
        real.terminate()


async def test_a_deleted_talk_keeps_its_numbers_and_nothing_that_was_said(
    database: Database, mari: User, talk: Talk
) -> None:
    log, clips = PostgresEventLog(database), PostgresClipStore(database)
    await log.append(talk.id, said("ひみつ"))
    await clips.put(talk.id, "tone:ja", Speech(tone(100), 16_000), ClipId(new_id()))
    await log.claim_reply(talk.id, cause="x", owner="a process that died", name="AI")
    await PostgresTalks(database).delete(talk.id, mari.id)
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT seq, payload FROM events ORDER BY seq")
        assert [row["seq"] for row in rows] == [1, 2, 3, 4]
        assert [row["payload"] for row in rows[:3]] == [{}, {}, {}]
        assert await connection.fetchval("SELECT count(*) FROM clips") == 0
        assert await connection.fetchval("SELECT title FROM talks") == ""
        assert await connection.fetchval("SELECT count(*) FROM replies WHERE NOT finished") == 0
    last = await log.read(talk.id, 0)
    assert [type(recorded.event) for recorded in last] == [TalkDeleted]
    with pytest.raises(NotFound):
        await clips.put(talk.id, "tone:ja", Speech(tone(100), 16_000), ClipId(new_id()))


@pytest.mark.parametrize("wrong", ["a\x00b", "\ud800"], ids=["NUL", "surrogate"])
async def test_what_no_column_holds_is_the_callers_fault(database: Database, wrong: str) -> None:
    with pytest.raises(BadRequest):
        await PostgresAccounts(database).credentials(wrong)


async def test_a_cursor_beyond_bigint_is_the_callers_fault(database: Database, talk: Talk) -> None:
    with pytest.raises(BadRequest):
        await PostgresEventLog(database).read(talk.id, 10**30)


async def test_a_killed_connection_is_a_database_that_is_down(database: Database) -> None:
    with pytest.raises(DatabaseDown):
        async with database.transaction() as connection:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    await database.answers()


async def test_a_process_that_is_frozen_in_a_transaction_lets_its_talk_go(
    database_url: str, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "HOLD_S", 0.5)
    async with Database.open(database_url) as frozen, Database.open(database_url) as other:
        with pytest.raises(DatabaseDown):
            async with frozen.transaction() as connection:
                await queries.lock_talk(connection, talk=talk.id)
                recorded = await PostgresEventLog(other).append(talk.id, said("はい"))
                assert recorded.seq == 2
                await queries.lock_talk(connection, talk=talk.id)
        await frozen.answers()


async def test_a_connection_that_was_just_told_to_end_is_a_database_that_is_down(
    database: Database,
) -> None:
    with pytest.raises(DatabaseDown):
        async with database.connection() as connection:
            fields = b"SFATAL\0C57P01\0Mthe server is going down\0\0"
            message = b"E" + (4 + len(fields)).to_bytes(4, "big") + fields
            connection._con._protocol.data_received(message)
            await connection.fetchval("SELECT 1")


async def test_migrations_run_once(database_url: str) -> None:
    await migrate(database_url)
    await migrate(database_url)


async def test_migrations_wait_for_each_other(postgres: str) -> None:
    admin = await asyncpg.connect(postgres)
    await admin.execute("CREATE DATABASE twice")
    url = postgres.replace("/postgres?", "/twice?")
    try:
        both = [
            await asyncio.create_subprocess_exec(sys.executable, "-c", MIGRATE, url)
            for _ in range(2)
        ]
        assert [await process.wait() for process in both] == [0, 0]
        async with Database.open(url) as database:
            assert await PostgresAccounts(database).users() == []
    finally:
        await admin.execute("DROP DATABASE twice WITH (FORCE)")
        await admin.close()


async def test_a_start_does_not_wait_for_a_database_that_fell_silent(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate_module, "CHECK_S", 0.3)
    holder = await asyncpg.connect(database_url)
    async with holder.transaction():
        await holder.execute("LOCK TABLE alembic_version")
        with pytest.raises(DatabaseDown):
            await migrate(database_url)
    await holder.close()


async def test_a_database_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="DATABASE_URL"):
        await migrate("nonsense")
    with pytest.raises(DatabaseDown):
        await migrate(f"postgresql://nobody@/nothing?host={tmp_path}")
    with pytest.raises(DatabaseDown):
        async with Database.open(f"postgresql://nobody@/nothing?host={tmp_path}"):
            pass


MIGRATE = """
import asyncio, sys
from kaiwa.adapters.postgres.migrate import migrate

asyncio.run(migrate(sys.argv[1]))
"""
ENDLESS = """
import asyncio, sys
from pathlib import Path
from kaiwa.adapters.postgres.embedded import embedded_postgres

async def run():
    async with embedded_postgres(Path(sys.argv[1])) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(run())
"""


async def test_a_data_folder_has_one_server_which_commands_share_and_heirs_take_over(
    tmp_path: Path,
) -> None:
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ENDLESS, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert other.stdout is not None
    url = (await other.stdout.readline()).decode().strip()
    try:
        with pytest.raises(AlreadyRunning, match="another kaiwa serve"):
            async with embedded_postgres(tmp_path, patience_s=0):
                pass
        async with shared_postgres(tmp_path) as shared:
            assert shared.url == url
            await migrate(shared.url)
        async with Database.open(url) as database:  # sharing did not stop it
            mari = await PostgresAccounts(database).register("まり", None)
    finally:
        other.send_signal(signal.SIGKILL)
        await other.wait()
    async with embedded_postgres(tmp_path) as heir, Database.open(heir.url) as database:
        assert await PostgresAccounts(database).users() == [mari]
        async with database.connection() as connection:
            assert await connection.fetchval("SHOW listen_addresses") == "", "no TCP port"
        for folder in (heir.folder, heir.socket_folder):
            assert folder.stat().st_mode & 0o077 == 0, "others look into it"
    with pytest.raises(DatabaseDown):
        async with Database.open(url):
            pass
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()
    if os.geteuid() != 0:
        assert (tmp_path / "postgres").stat().st_uid == os.getuid()
    async with shared_postgres(tmp_path) as alone, Database.open(alone.url) as database:
        assert await PostgresAccounts(database).users() == [mari]


COMMAND = """
import asyncio, sys
from pathlib import Path
from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.postgres.embedded import shared_postgres

async def run():
    async with shared_postgres(Path(sys.argv[1])) as server:
        async with Database.open(server.url) as database:
            print("in", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            await database.answers()

asyncio.run(run())
"""


async def test_a_command_does_not_stop_the_server_under_another(tmp_path: Path) -> None:
    commands = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", COMMAND, str(tmp_path)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    reads = {asyncio.create_task(c.stdout.readline()): c for c in commands if c.stdout}
    while reads:
        done, _ = await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
        command = reads.pop(done.pop())
        await command.communicate(b"\n")
        assert command.returncode == 0


async def test_a_server_that_was_killed_comes_back() -> None:
    with tempfile.TemporaryDirectory(prefix="kaiwa-test-") as folder:
        await _killed_and_back(Path(folder))


async def _killed_and_back(folder: Path) -> None:
    async with embedded_postgres(folder) as server, Database.open(server.url) as database:
        killed = _postmaster(server.folder)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(DatabaseDown):
                    await database.answers()  # perhaps a backend that outlives the killed one
                    if _postmaster(server.folder) not in (killed, None):
                        return
                await asyncio.sleep(0.1)


async def test_a_server_whose_recovery_is_stuck_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedded_module, "RESTART_TIMEOUT_S", 1)
    monkeypatch.setattr(recovery_module, "STUCK_S", 1.0)
    with tempfile.TemporaryDirectory(prefix="kaiwa-test-") as folder:
        await _stuck_and_back(Path(folder))


async def _stuck_and_back(folder: Path) -> None:
    async with embedded_postgres(folder) as server, Database.open(server.url) as database:
        with (server.folder / "postgresql.auto.conf").open("a") as settings:
            settings.write("restore_command = 'sleep 600'\n")
        signal_file = server.folder / "recovery.signal"
        signal_file.touch()
        killed = _postmaster(server.folder)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(60):
            while True:
                if "sleep" in _offspring(_postmaster(server.folder)):
                    break
                await asyncio.sleep(0.1)
            signal_file.unlink()
            while True:
                with contextlib.suppress(DatabaseDown):
                    await database.answers()
                    return
                await asyncio.sleep(0.1)


def _offspring(process: int | None) -> list[str]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return [c.name() for c in psutil.Process(process or 0).children(recursive=True)]
    return []


def _postmaster(folder: Path) -> int | None:
    try:
        return int((folder / "postmaster.pid").read_text().split()[0])
    except (OSError, IndexError):
        return None


def test_root_without_useradd_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SetupError, match="DATABASE_URL"):
        _new_server_user()
