"""A browser that takes its storage away, and gives it back."""

from __future__ import annotations

from playwright.sync_api import sync_playwright

from tests.browser.chromium import launch
from tests.browser.test_core import origin

__all__ = ["origin"]

KEEP = """async (capture) => {
  const { KeptSound } = await import('/static/js/audio/kept-sound.js');
  const kept = new KeptSound({ key: capture, user: 'u', talk: 't', capture, base: 0 });
  kept.push(0, new Uint8Array(4));
  kept.leave();
}"""
SENT = """async () => {
  const { sendLeftOvers } = await import('/static/js/audio/kept-sound.js');
  const sent = [];
  await sendLeftOvers('u', async ({ capture }, { length }) => (sent.push([capture, length]), true));
  return sent;
}"""


def test_sound_is_kept_again_after_the_browser_closed_the_database(origin: str) -> None:
    """Phones do so to pages that were out of sight."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page()
        page.goto(f"{origin}/tests/core/empty.html")
        page.evaluate(KEEP, "first")
        assert page.evaluate(SENT) == [["first", 4]]
        storage = page.context.new_cdp_session(page)
        storage.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "indexeddb"})
        page.evaluate(KEEP, "second")
        assert page.evaluate(SENT) == [["second", 4]]
        browser.close()
