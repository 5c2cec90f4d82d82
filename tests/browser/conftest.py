"""The scene of the page's tests: a real Chromium, a real server, and a microphone into which the
project's own voices speak."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.browser.chromium import hearing, launch, write_recording
from tests.browser.server import KaiwaServer
from tests.browser.visitor import SOON_MS, Visitor, visitor
from tests.fakes.speech import english, japanese

expect.set_options(timeout=SOON_MS)  # else it is five seconds

JAPANESE: Final = "こんにちは。今日はとてもいい天気ですね。"
ENGLISH: Final = "Please tell me about the weather in London today."

over_loopback = pytest.mark.parametrize("server", ["http"], indirect=True)
over_tls = pytest.mark.parametrize("server", ["https"], indirect=True)
over_both = pytest.mark.parametrize("server", ["http", "https"], indirect=True)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def chromium(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser whose microphone says `JAPANESE` each time it is opened."""
    recording = tmp_path_factory.mktemp("sound") / "japanese.wav"
    browser = launch(playwright, *hearing(write_recording(recording, japanese(JAPANESE))))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def english_chromium(
    playwright: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """A browser whose microphone says `ENGLISH`."""
    recording = tmp_path_factory.mktemp("sound") / "english.wav"
    browser = launch(playwright, *hearing(write_recording(recording, english(ENGLISH))))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KaiwaServer]:
    """One for all the scenes over plain loopback, then one for those over TLS."""
    server = KaiwaServer(tmp_path_factory.mktemp("kaiwa"), tls=request.param == "https")
    try:
        server.start()
        yield server
        server.stop()
    finally:
        server.kill()  # where a start, or an end, did not come to its end


@pytest.fixture(scope="module")
def owner_state(server: KaiwaServer, chromium: Browser) -> Any:
    """The cookie of the machine's owner, who came in by the one-time code; it is valid for 60 s,
    so this does not wait for the models."""
    with visitor(chromium) as owner:
        owner.open(server.way_in())
        expect(owner["new-talk"]).to_be_visible()
        assert "code=" not in owner.page.url
        owner.check_untroubled()
        state = owner.page.context.storage_state()
    server.wait_until_ready()
    return state


@pytest.fixture
def visitors() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def owner(server: KaiwaServer, chromium: Browser, owner_state: Any, visitors: ExitStack) -> Visitor:
    """The machine's owner at the page."""
    return visitors.enter_context(visitor(chromium, base_url=server.url, storage_state=owner_state))
