"""A talk that is recorded: everybody sees it, and hears again what was said."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Playwright, expect

from tests.browser.chromium import hearing, launch, write_recording
from tests.browser.conftest import JAPANESE, over_loopback
from tests.browser.server import KaiwaServer
from tests.browser.visitor import MODEL_MS, NOBODY_YET, Visitor, visitor
from tests.fakes.speech import japanese

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

LIT = "[...(CSS.highlights.get('said') ?? [])].join('')"
WATCH = f"""() => {{
  window.lit = new Promise((found) => {{
    const look = () => ({LIT} ? found({LIT}) : requestAnimationFrame(look));
    look();
  }});
}}"""


@pytest.fixture
def talker(
    server: KaiwaServer,
    playwright: Playwright,
    owner_state: Any,
    visitors: ExitStack,
    tmp_path: Path,
) -> Visitor:
    """The owner at a microphone that speaks on, however long a busy machine takes."""
    speech = np.tile(japanese(JAPANESE), 10)
    browser = launch(playwright, *hearing(write_recording(tmp_path / "speech.wav", speech)))
    visitors.callback(browser.close)
    return visitors.enter_context(visitor(browser, base_url=server.url, storage_state=owner_state))


@over_loopback
def test_what_was_said_is_heard_again_from_its_text(
    server: KaiwaServer, owner: Visitor, talker: Visitor, chromium: Browser, visitors: ExitStack
) -> None:
    owner.open("/")
    talk = owner.new_talk()
    ken = visitors.enter_context(visitor(chromium, base_url=server.url, locale="en-GB"))
    ken.open("/")
    ken.register("Ken")
    expect(ken["new-talk"]).to_be_visible()
    added = owner.page.request.post(
        f"{server.url}/talks/{talk}/members",
        data={"name": "Ken", "role": "speaker"},
        headers={"origin": server.url},
    )
    assert added.status == 201
    ken.open(f"/#/talks/{talk}")
    ken.wait_until_live()
    ken["settings"].click()
    expect(ken["setting-recording"]).to_be_disabled()
    ken["close-dialog"].click()
    expect(ken["recording"]).to_have_text("")

    owner["settings"].click()
    owner["setting-recording"].check()
    owner["settings-save"].click()
    expect(owner["recording"]).to_have_text("録音中")
    expect(ken["recording"]).to_have_text("Recording")
    expect(ken["recording"]).to_have_role("status")

    owner.open_microphone()
    expect(owner.utterances.filter(has_text="天気")).to_have_count(1, timeout=MODEL_MS)
    owner.close_microphone()
    owner.type("これは打った文字です。")
    typed = owner["utterance"].filter(has_text="打った文字")
    for each in (owner, ken):
        expect(each["utterance"].filter(has_text="打った文字")).to_have_count(1)
        expect(each["partial"]).to_have_count(0)
    expect(typed.get_by_test_id("play")).to_have_count(0)

    for each in (owner, ken):
        each.page.get_by_role("log").focus()
        for _ in range(2):
            each.page.keyboard.press("ArrowUp")
        said = each.page.locator(".entry.picked")
        button = said.get_by_test_id("play")
        expect(button).to_have_attribute("aria-pressed", "false")
        each.page.evaluate(WATCH)
        each.page.keyboard.press("Enter")
        each.wait_for_replay(1)
        lit = each.page.evaluate("window.lit")
        assert lit and lit in said.locator(".words").inner_text()
        expect(button).to_have_attribute("aria-pressed", "false")  # played to its end
        assert each.page.evaluate(LIT) == ""
        each.wait_until_silent()
        assert each.clips()[-1]["peak"] > 0.05

        button.focus()
        each.page.keyboard.press("Enter")
        each.wait_for_replay(2)
        each.page.keyboard.press("Escape")
        expect(button).to_have_attribute("aria-pressed", "false")

    finals = owner["utterance"].count()
    talker.open(f"/#/talks/{talk}")
    talker.wait_until_live()
    talker.open_microphone()
    talker.wait_for("[data-control=hearing]", MODEL_MS)
    button = talker["utterance"].filter(has_text="天気").first.get_by_test_id("play")
    button.focus()
    talker.page.keyboard.press("Enter")
    talker.wait_for_replay(1)
    expect(button).to_have_attribute("aria-pressed", "false")
    talker.wait_until_silent()
    clip = talker.clips()[-1]
    assert clip["ended"] - clip["began"] < clip["seconds"], "the voice ended it"
    expect(talker["utterance"]).not_to_have_count(finals, timeout=MODEL_MS)
    talker.close_microphone()
    talker.check_untroubled()
    owner.check_untroubled()
    ken.check_untroubled(NOBODY_YET)
