"""The page in WebKit, by WebKitGTK's own driver; skipped where Debian's webkit2gtk-driver and xvfb
are not installed. WebKitGTK plays and draws as Safari does, but hears no microphone here."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.browser.conftest import over_loopback
from tests.browser.server import KaiwaServer
from tests.browser.visitor import MODEL_MS, PASSWORD, SOON_MS
from tests.ports import free_port

NEEDED: Final = ("WebKitWebDriver", "xvfb-run")

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason="there is no WebKitGTK driver"),
]

BROWSERS: Final = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
OPTIONS: Final = {
    "browserName": "MiniBrowser",
    "webkitgtk:browserOptions": {
        "binary": str(BROWSERS[-1]) if BROWSERS else "MiniBrowser",
        "args": ["--automation"],
    },
}
SIGN_UP: Final = """
const [name, password] = arguments;
const by = (id) => document.querySelector(`[data-testid=${id}]`);
by('register-toggle').click();
by('signin-name').value = name;
by('signin-password').value = password;
by('signin-submit').click();
"""
SEND: Final = """
document.querySelector('[data-testid=message-input]').value = arguments[0];
document.querySelector('[data-testid=send]').click();
"""


class WebKit:
    """One window, over the W3C's WebDriver protocol."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        asked = {"capabilities": {"alwaysMatch": OPTIONS}}
        self._session = f"/session/{self._post('/session', asked)['sessionId']}"

    def open(self, url: str) -> None:
        self._post(f"{self._session}/url", {"url": url})

    def resize(self, width: int, height: int) -> None:
        self._post(f"{self._session}/window/rect", {"width": width, "height": height})

    def run(self, script: str, *arguments: str) -> Any:
        asked = {"script": script, "args": arguments}
        return self._post(f"{self._session}/execute/sync", asked)

    def click(self, testid: str) -> None:
        """As a person does: it lets the page sound."""
        place = {"using": "css selector", "value": f"[data-testid={testid}]"}
        (element,) = self._post(f"{self._session}/element", place).values()
        self._post(f"{self._session}/element/{element}/click", {})

    def wait_for(self, expression: str, timeout_ms: float = SOON_MS) -> Any:
        """Its value, once that is something."""
        until = time.monotonic() + timeout_ms / 1000
        while not (value := self.run(f"return {expression}")):
            assert time.monotonic() < until, f"{expression} did not come"
            time.sleep(0.2)
        return value

    def close(self) -> None:
        self._http.delete(self._session)

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()["value"]


@pytest.fixture
def webkit() -> Iterator[WebKit]:
    port = free_port()
    environment = {**os.environ, "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1"}  # as root
    driver = subprocess.Popen(
        ["xvfb-run", "-a", "WebKitWebDriver", f"--port={port}"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        transport = httpx.HTTPTransport(retries=8)  # until it listens
        with (
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=SOON_MS / 1000
            ) as http,
            closing(WebKit(http)) as webkit,
        ):
            yield webkit
    finally:
        os.killpg(driver.pid, 15)
        driver.wait(20)


@over_loopback
def test_webkit_draws_types_and_plays(
    server: KaiwaServer, owner_state: Any, webkit: WebKit
) -> None:
    webkit.open(server.url)
    webkit.wait_for("document.querySelector('[data-testid=register-toggle]') !== null")
    webkit.run(SIGN_UP, "Wanda", PASSWORD)
    webkit.wait_for("document.querySelector('[data-testid=new-talk]') !== null")
    webkit.click("new-talk")
    webkit.wait_for("document.documentElement.dataset.stream === 'live'")
    webkit.run(SEND, "Say hello to me.")
    said = "document.querySelector('[data-testid=utterance] .words')?.textContent"
    assert webkit.wait_for(said) == "Say hello to me."
    webkit.click("ask")
    webkit.wait_for("document.documentElement.dataset.played", MODEL_MS)
    for width in (1280, 360):
        webkit.resize(width, 740)
        webkit.wait_for("document.documentElement.scrollWidth <= innerWidth")
