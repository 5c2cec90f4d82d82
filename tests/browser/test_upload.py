"""An upload on a network that stalls without closing, by the page's own clock."""

from __future__ import annotations

from playwright.sync_api import sync_playwright

from tests.browser.chromium import launch
from tests.browser.test_core import origin

__all__ = ["origin"]

UPLOAD = """async () => {
  const { Upload } = await import('/static/js/audio/upload.js');
  const { Spool } = await import('/static/js/core/spool.js');
  const spool = new Spool(1e6);
  spool.push(new Uint8Array(3200));
  spool.close();
  window.offsets = [];
  const durable = [0, 400, 400];
  window.fetch = (url, { signal }) => {
    window.offsets.push(new URL(url, location.href).searchParams.get('offset'));
    if (window.offsets.length === 2) return Promise.resolve(Response.json({ utterances: [] }));
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  };
  window.answer = new Upload({
    api: { durableOffset: async () => durable.shift() ?? 400 },
    talkId: 'talk', spool, contentType: 'audio/L16', resumable: true, transport: 'fetch',
    onConnection: () => {}, onRenamed: () => {}, onTrouble: () => {},
  }, 'capture1').run();
}"""


def test_an_upload_of_which_nothing_is_stored_is_taken_up_again(origin: str) -> None:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page()
        page.clock.install()
        page.goto(f"{origin}/tests/core/empty.html")
        page.evaluate(UPLOAD)
        for _ in range(3):  # stored up to 400 by then; nothing more; taken up again
            page.clock.run_for(60_000)
        assert page.evaluate("window.answer") == {"utterances": []}
        assert page.evaluate("window.offsets") == ["0", "400"]
        browser.close()
