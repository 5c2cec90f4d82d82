"""The page's core and parts, tested where they run: in a real browser, without our server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.chromium import launch

TESTS = Path(__file__).parent
STATIC = TESTS.parents[1] / "src" / "kaiwa" / "web" / "static"
TIMEOUT_MS = 60_000


class _Files(SimpleHTTPRequestHandler):
    """`/static/…` is the page's folder, `/tests/…` this one."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript"}  # noqa: RUF012

    def translate_path(self, path: str) -> str:
        for prefix, folder in (("/static/", STATIC), ("/tests/", TESTS)):
            if path.startswith(prefix):
                self.directory = str(folder)
                return super().translate_path("/" + path.removeprefix(prefix))
        return str(TESTS / "nothing")

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(TESTS)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_pure_core(origin: str) -> None:
    with sync_playwright() as playwright:
        browser = launch(playwright, "--autoplay-policy=no-user-gesture-required")
        page = browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{origin}/tests/core/index.html")
        page.wait_for_function("window.results !== undefined", timeout=TIMEOUT_MS)
        results = page.evaluate("window.results")
        browser.close()
    failed = [f"{r['name']}: {r['error']}" for r in results if not r["ok"]]
    assert not errors
    assert not failed, "\n".join(failed)
    assert len(results) > 70
