"""What `kaiwa serve` does once it listens."""

from __future__ import annotations

import asyncio
import threading
import webbrowser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kaiwa import serving
from kaiwa.app import _warming
from kaiwa.settings import read_settings
from tests.fakes.hearing import MARI


@pytest.mark.parametrize("screen", [None, "DISPLAY", "WAYLAND_DISPLAY", "BROWSER"])
async def test_the_page_opens_where_there_is_a_screen(
    screen: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    if screen is not None:
        monkeypatch.setenv(screen, ":0")
    opened = []

    def browser(url: str) -> bool:
        """As one in the terminal, which holds up its thread for as long as it is looked at."""
        opened.append((url, threading.current_thread()))
        return True

    async def put_login_code(*_: object) -> None:
        """It is known."""

    monkeypatch.setattr(webbrowser, "open", browser)
    services: Any = SimpleNamespace(accounts=SimpleNamespace(put_login_code=put_login_code))
    settings = read_settings(data=tmp_path)
    await serving._greet(settings, services, MARI, secure=False, open_page=True)
    door = (tmp_path / "open.html").as_uri()
    assert [url for url, _ in opened] == ([] if screen is None else [door])
    assert threading.main_thread() not in [thread for _, thread in opened]
    assert (door in capsys.readouterr().err) == (screen is None)


async def test_a_part_that_crashes_while_it_loads_takes_nothing_along() -> None:
    loaded = asyncio.Event()

    async def crashes() -> None:
        raise ValueError

    async def loads() -> None:
        loaded.set()

    openers: Any = SimpleNamespace(run=loads)
    async with _warming({"one": crashes, "other": loads}, openers):
        await loaded.wait()
