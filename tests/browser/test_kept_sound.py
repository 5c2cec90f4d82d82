"""Sound that could not be sent outlives the connection, the server and the page."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import over_loopback
from tests.browser.server import KaiwaServer
from tests.browser.visitor import GONE, MODEL_MS, NOBODY_YET, SOON_MS, Visitor

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

NEVER_HEARD_OF = r"status of 404.*/captures/"

KEPT = """
async () => {
  const db = await new Promise((resolve) => {
    const request = indexedDB.open('kaiwa', 1);
    request.onsuccess = () => resolve(request.result);
  });
  const all = (store) => new Promise((resolve) => {
    const request = db.transaction(store).objectStore(store).getAll();
    request.onsuccess = () => resolve(request.result);
  });
  const captures = await all('captures');
  const bytes = (await all('blocks')).reduce((sum, block) => sum + block.byteLength, 0);
  db.close();
  return [captures.length, bytes / 32_000];
}
"""
"""How many captures are kept, and how many seconds of them."""
RECORDED_S = 8
"""The recording is over by then."""


def until_kept(visitor: Visitor, right: Callable[[int, float], bool]) -> None:
    """Chromium's own waiting takes a promise for an answer."""
    until = time.monotonic() + SOON_MS / 1000
    while not right(*(kept := visitor.page.evaluate(KEPT))):
        assert time.monotonic() < until, kept
        visitor.page.wait_for_timeout(250)


@over_loopback
def test_the_server_is_killed_and_the_page_reloaded_in_mid_sentence(
    server: KaiwaServer, owner: Visitor
) -> None:
    owner.open("/")
    owner.new_talk()
    owner.open_microphone()
    owner.wait_for_mic("hearing", "listening")
    server.kill()
    owner.wait_for_mic("reconnecting")
    until_kept(owner, lambda captures, seconds: captures == 1 and seconds > RECORDED_S)
    owner.page.goto("about:blank")  # the page is gone, and with it all that it held

    server.start()
    owner.open("/")
    owner["talk-link"].first.click()
    owner.wait_until_live()
    said = owner.utterances.filter(has_text=re.compile("天気"))
    said.wait_for(timeout=MODEL_MS)
    expect(said).to_have_count(1)
    expect(owner["notice"]).to_contain_text("書き取りました", timeout=MODEL_MS)
    until_kept(owner, lambda captures, seconds: captures == seconds == 0)
    owner.check_untroubled(GONE, NOBODY_YET, NEVER_HEARD_OF)


@over_loopback
def test_the_first_press_works_while_the_server_is_away(
    server: KaiwaServer, owner: Visitor
) -> None:
    owner.open("/")
    owner.new_talk()
    server.kill()
    owner.wait_for("[data-stream=connecting]")
    owner.open_microphone()
    owner.wait_for("[data-source=pcm]")
    owner.wait_for_mic("reconnecting")
    server.start()
    owner.wait_until_live()
    owner.utterances.filter(has_text=re.compile("天気")).wait_for(timeout=MODEL_MS)
    owner.close_microphone()
    owner.check_untroubled(GONE, NEVER_HEARD_OF)
