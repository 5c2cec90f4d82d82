"""The models of a server: seen by all, tried by all, fetched by the machine's owner."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaiwa.errors import ModelUnavailable
from kaiwa.models.catalogue import SMART_TURN
from kaiwa.models.progress import Progress
from kaiwa.models.store import ModelStore
from tests.integration.house import L16, WAIT_S, Guest, house


def fetched(models: Path) -> None:
    """As if owner/name had come from the hub."""
    hub = models / "owner--name"
    hub.mkdir()
    for file in ("model.bin", "config.json", "tokenizer.json"):
        (hub / file).write_bytes(b"12")


async def test_what_is_here_and_in_use_is_told_to_everybody(
    database_url: str, tmp_path: Path
) -> None:
    fetched(tmp_path)
    chosen: dict[str, Any] = {"models": tmp_path, "asr_model": "owner/name"}
    async with house(database_url, **chosen) as home, home.guest("まり") as mari:
        told = (await mari.http.get("/models")).json()
        assert told["chat"]["models"] == [{"name": "scripted", "size": 0}]
        assert (told["pull"], told["may_pull"]) == (None, False)
        rows = {row["name"]: row for row in told["weights"]}
        assert rows["owner/name"]["in_use"] and rows["owner/name"]["bytes"] == 6
        assert rows[SMART_TURN.name]["in_use"] and not rows[SMART_TURN.name]["installed"]
        assert not rows["whisper-base"]["in_use"]


async def test_the_owner_fetches_one_model_at_a_time_and_stops_it(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline = threading.Event()

    def pull(name: str, store: ModelStore, progress: Progress) -> None:
        if offline.is_set():
            raise ModelUnavailable(f"{name}: no connection")
        progress.start(name, 100)
        progress.advance(40)
        while not offline.wait(0.01):
            progress.advance(0)

    monkeypatch.setattr("kaiwa.app.pull_speech", pull)
    small = {"use": "speech", "name": "whisper-small"}
    async with (
        house(database_url, models=tmp_path) as home,
        home.guest("まり") as mari,
        home.guest("Ken") as ken,
    ):
        await home.services.accounts.machine_owner("まり")
        assert (await mari.http.get("/models")).json()["may_pull"]
        assert (await ken.http.post("/models/pull", json=small)).status_code == 403
        assert (await mari.http.delete("/models/pull")).status_code == 404
        begun = await mari.http.post("/models/pull", json=small)
        assert begun.status_code == 202
        assert (await until(ken, bytes=40))["total"] == 100
        assert (await mari.http.post("/models/pull", json=small)).status_code == 409
        assert (await ken.http.delete("/models/pull")).status_code == 403
        assert (await mari.http.delete("/models/pull")).status_code == 204
        await until(mari, state="stopped")

        offline.set()
        await mari.http.post("/models/pull", json=small)
        failed = await until(mari, state="failed")
        assert failed["error"] == {
            "code": "model_unavailable",
            "message": "whisper-small: no connection",
            "retryable": True,
        }
        await mari.http.post("/models/pull", json={"use": "chat", "name": "nobody/knows"})
        assert (await until(mari, state="failed"))["error"]["code"] == "model_missing"
        for wrong in ("../x", "/etc", "~/x", "a b", ""):
            answer = await mari.http.post("/models/pull", json={**small, "name": wrong})
            assert answer.status_code == 422, wrong


async def test_the_owner_changes_the_recogniser_for_now_and_the_next_start(
    database_url: str, tmp_path: Path
) -> None:
    fetched(tmp_path)
    places: dict[str, Any] = {"models": tmp_path, "data": tmp_path / "data"}

    async def in_use(guest: Guest) -> list[str]:
        rows = (await guest.http.get("/models")).json()["weights"]
        return [row["name"] for row in rows if row["in_use"] and row["use"] == "speech"]

    async with (
        house(database_url, **places) as home,
        home.guest("まり") as mari,
        home.guest("Ken") as ken,
    ):
        await home.services.accounts.machine_owner("まり")
        assert await in_use(mari) == ["whisper-base"]
        hubs = {"name": "owner/name"}
        assert (await ken.http.put("/models/speech", json=hubs)).status_code == 403
        for absent in ("whisper-small", "/etc", "smart-turn-v3.2"):
            answer = await mari.http.put("/models/speech", json={"name": absent})
            assert answer.status_code == 404, absent
        assert (await mari.http.put("/models/speech", json=hubs)).status_code == 204
        assert await in_use(mari) == ["owner/name"]
    async with house(database_url, **places) as home, home.guest("あおい") as aoi:
        assert await in_use(aoi) == ["owner/name"]
    async with house(database_url, **places, asr_model="whisper-base") as home:
        assert home.services.change_recogniser is None  # the settings say which


async def test_a_few_seconds_and_a_sentence_are_tried(database_url: str) -> None:
    async with house(database_url) as home, home.guest("まり") as mari:
        loud = (np.random.default_rng(1).standard_normal(16_000 * 2) * 9_000).astype("<i2")
        heard = await mari.http.post(
            "/models/try/speech?language=ja", content=loud.tobytes(), headers={"content-type": L16}
        )
        assert heard.status_code == 200
        assert heard.json()["text"].startswith("今日は")
        home.chat.replies = [["はい", "、元気です。"], ["あ" * 1000]]
        said = (await mari.http.post("/models/try/chat", json={"text": "元気？"})).json()
        assert said["text"] == "はい、元気です。"
        assert said["ms"] >= 0
        long = (await mari.http.post("/models/try/chat", json={"text": "続けて"})).json()
        assert len(long["text"]) == 300
        assert (await mari.http.get("/talks")).json()["talks"] == []
        unknown = await mari.http.post("/models/try/chat", json={"text": "x", "model": "none"})
        assert unknown.json()["error"]["code"] == "model_down"


async def until(guest: Guest, **wanted: Any) -> dict[str, Any]:
    """The pull, once it is like this."""
    async with asyncio.timeout(WAIT_S):
        while True:
            pull: dict[str, Any] = (await guest.http.get("/models/pull")).json()["pull"]
            if pull is not None and wanted.items() <= pull.items():
                return pull
            await asyncio.sleep(0.02)
