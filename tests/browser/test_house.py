"""What belongs to the server, to one's account and to one's browser, at the page."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.conftest import over_loopback
from tests.browser.server import KaiwaServer
from tests.browser.visitor import (
    MODEL_MS,
    NOBODY_YET,
    PASSWORD,
    SOME_TEXT,
    SOON_MS,
    Visitor,
    visitor,
)

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

OPENED: Final = """
window.opened = [];
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wish) => {
  const stream = await open(wish);
  opened.push(...stream.getTracks());
  return stream;
};
"""
HEARD: Final = "() => parseFloat(document.querySelector('.mic-trial i').style.scale) > 0.3"
ENDED: Final = "() => opened.length > 0 && opened.every((track) => track.readyState === 'ended')"
CHANGED: Final = "() => opened.length === 2 && opened[0].readyState === 'ended'"
"""Of the tracks of microphones; and what the line beside their choice shows."""


@over_loopback
def test_models_are_listed_fetched_and_tried(owner: Visitor) -> None:
    owner.open("/")
    owner["user-menu"].click()
    owner["menu-models"].click()
    rows = owner.page.locator("[data-model]")
    expect(rows.filter(has_text="whisper-base")).to_have_attribute("data-state", "inUse")
    expect(rows.filter(has_text="whisper-small")).to_contain_text("486 MB")

    owner.page.route("**/models/pull", lambda route: route.fulfill(json={"pull": GOING}))
    owner["model-name"].fill("whisper-small")
    owner["pull-begin"].click()
    expect(owner["pull"]).to_contain_text("49 MB / 486 MB")
    owner.page.unroute("**/models/pull")
    expect(owner["pull"]).to_have_text("")  # the server knows of none
    owner["model-name"].fill("nobody-has-this")
    owner["pull-begin"].click()
    expect(owner["pull"].locator(".form-error")).to_be_visible(timeout=MODEL_MS)

    owner["try-speech"].click()
    expect(owner["tried-speech"]).to_contain_text("こんにちは", timeout=MODEL_MS)  # its first word
    owner["try-text"].fill("「はい」とだけ答えて。")
    owner["try-chat"].click()
    expect(owner["tried-chat"].locator("small")).to_have_text(SOME_TEXT, timeout=MODEL_MS)
    owner.check_untroubled()


@over_loopback
def test_another_recogniser_is_put_to_use(owner: Visitor) -> None:
    used: list[Any] = []
    states = iter(["loading", "loading", "in_use"])  # as the server loads on

    def models(route: Route) -> None:
        answer = route.fetch().json()
        assert answer["may_change"]
        for row in answer["weights"]:
            if row["name"] == "whisper-small":
                row.update({"installed": True, **({next(states, "in_use"): True} if used else {})})
        route.fulfill(json=answer)

    def change(route: Route) -> None:
        used.append(route.request.post_data_json)
        route.abort()  # as when loading outlasts the request

    owner.page.route("**/models", models)
    owner.page.route("**/models/speech", change)
    owner.open("/")
    owner["user-menu"].click()
    owner["menu-models"].click()
    small = owner.page.locator('[data-model="whisper-small"]')
    small.get_by_role("button").click()
    expect(small).to_have_attribute("data-state", "inUse")
    assert used == [{"name": "whisper-small"}]
    expect(owner["pull"]).to_contain_text("whisper-small")
    owner.page.unroute("**/models/speech")
    used.clear()
    small = owner.page.locator('[data-model="whisper-small"]')
    owner["close-dialog"].click()
    owner["user-menu"].click()
    owner["menu-models"].click()
    small.get_by_role("button").click()
    expect(owner["pull"].locator(".form-error")).to_be_visible()  # it is not really here
    expect(small.get_by_role("button")).to_be_enabled()  # the list was asked for again, and is here
    owner.check_untroubled("status of 404", "ERR_FAILED.*/models/speech")


@over_loopback
def test_a_guest_sees_models_and_may_not_fetch_and_changes_their_password(
    server: KaiwaServer, chromium: Browser, visitors: ExitStack
) -> None:
    here, there = (visitors.enter_context(visitor(chromium, base_url=server.url)) for _ in range(2))
    here.open("/")
    here.register("Sora")
    here["user-menu"].click()
    here["menu-models"].click()
    expect(here.page.locator("[data-model]").first).to_be_visible()
    expect(here["model-name"]).to_have_count(0)
    expect(here.page.locator("[data-model] button")).to_have_count(0)
    here["close-dialog"].click()

    there.open("/")
    there.sign_in("Sora")
    talk = there.new_talk()
    here["user-menu"].click()
    here["menu-account"].click()
    here["password-old"].fill("not the one")
    here["password-new"].fill("another password")
    here["password-save"].click()
    expect(here["account-result"]).to_have_text("いまのパスワードが違います。")
    here["password-old"].fill(PASSWORD)
    here["password-save"].click()
    expect(here["account-result"]).to_contain_text("パスワードを変えました")
    expect(there["signin-submit"]).to_be_visible(timeout=SOON_MS)  # an open page is told, too
    there.sign_in("Sora", "another password")
    there.open(f"/#/talks/{talk}")
    there.wait_until_live()
    devices = here["sessions"].get_by_role("listitem")
    expect(devices).to_have_count(1)
    here["close-dialog"].click()
    here["user-menu"].click()
    here["menu-account"].click()
    expect(devices).to_have_count(2)
    devices.get_by_role("button").click()
    expect(there["signin-submit"]).to_be_visible(timeout=SOON_MS)
    expect(devices).to_have_count(1)
    there.sign_in("Sora", "another password")
    there.wait_until_live()
    here["end-others"].click()
    expect(there["signin-submit"]).to_be_visible(timeout=SOON_MS)
    here.check_untroubled(NOBODY_YET, "status of 403.*/auth/password")


@over_loopback
def test_speed_and_pitch_are_heard_before_they_are_saved(owner: Visitor) -> None:
    owner.open("/")
    owner.new_talk()
    owner["settings"].click()
    owner["setting-voice"].select_option("openjtalk:mei")
    owner["setting-voice_speed"].fill("1.5")
    owner["setting-voice_pitch"].fill("4")
    with owner.page.expect_event(
        "requestfinished", lambda request: "sample?speed=1.5&pitch=4" in request.url
    ):
        owner["hear-voice"].click()
    owner["settings-save"].click()
    expect(owner["settings-dialog"]).to_have_count(0)
    owner.page.reload()
    owner.wait_until_live()
    owner["settings"].click()
    expect(owner["setting-voice_speed"]).to_have_value("1.5")
    expect(owner["setting-voice_pitch"]).to_have_value("4")
    owner["setting-voice"].select_option("none")
    expect(owner["setting-voice_speed"]).to_be_hidden()
    owner.check_untroubled()


@over_loopback
def test_the_archive_is_there_in_another_browser_too(
    server: KaiwaServer, chromium: Browser, visitors: ExitStack
) -> None:
    here, there = (visitors.enter_context(visitor(chromium, base_url=server.url)) for _ in range(2))
    here.open("/")
    here.register("Yuki")
    here.new_talk()
    here.open("/#/")
    here["talk-menu"].click()
    here["archive"].click()
    expect(here["talk-list"].locator("li")).to_have_count(0)
    there.open("/")
    there.sign_in("Yuki")
    expect(there.page.locator(".archive summary")).to_contain_text("1")
    expect(there["talk-list"].locator("li")).to_have_count(0)
    here.check_untroubled(NOBODY_YET)


@over_loopback
def test_the_level_shows_which_microphone_hears_and_none_stays_open(owner: Visitor) -> None:
    owner.page.add_init_script(OPENED)
    owner.open("/")
    owner.new_talk()
    owner["prefs"].click()
    assert owner.page.evaluate("opened.length") == 0  # nobody listens unasked
    for end in ("try-microphone", "close-dialog"):
        owner["try-microphone"].click()
        owner.page.wait_for_function(HEARD)
        expect(owner["mic-trial"]).to_have_text(SOME_TEXT)
        owner[end].click()
        owner.page.wait_for_function(ENDED)
    expect(owner["prefs-dialog"]).to_have_count(0)
    assert owner.root("mic-state") == "asleep"
    owner.check_untroubled()


@over_loopback
def test_a_talk_goes_on_with_another_microphone(owner: Visitor) -> None:
    owner.page.add_init_script(OPENED)
    owner.open("/")
    owner.new_talk()
    owner.open_microphone()
    owner.wait_for_mic("listening", "hearing")
    owner["prefs"].click()
    expect(owner["try-microphone"]).to_be_hidden()  # it is heard already
    owner.page.wait_for_function(HEARD)
    owner["pref-microphone"].select_option(index=2)
    owner.page.wait_for_function(CHANGED)
    owner["close-dialog"].click()
    assert owner.page.evaluate("opened[1].readyState") == "live"
    owner.partials.wait_for(timeout=MODEL_MS)
    owner.close_microphone()
    expect(owner.utterances.last).to_have_text(SOME_TEXT, timeout=MODEL_MS)
    owner.page.wait_for_function(ENDED)
    owner.check_untroubled()


GOING = {
    "use": "speech",
    "name": "whisper-small",
    "state": "going",
    "bytes": 48_600_000,
    "total": 486_000_000,
    "error": None,
}
