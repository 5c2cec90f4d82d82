"""What one does with a talk besides speaking in it, and that everybody can: by touch, by keyboard,
by ear."""

from __future__ import annotations

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import asyncpg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.conftest import over_loopback
from tests.browser.server import KaiwaServer
from tests.browser.visitor import MODEL_MS, NOBODY_YET, SOME_TEXT, Visitor, visitor

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

LONG: Final = 10_000
UNMOVED: Final = """
Promise.allSettled(
  document.getAnimations()
    .filter(({ effect }) => effect.getComputedTiming().endTime < Infinity)
    .map(({ finished }) => finished)
).then(() => null)"""
"""Once colours have stopped moving."""
AWAKE: Final = """
window.awake = 0;
const request = navigator.wakeLock.request.bind(navigator.wakeLock);
navigator.wakeLock.request = async (kind) => {
  const lock = await request(kind);
  awake++;
  lock.addEventListener('release', () => awake--);
  return lock;
};
"""
CUT: Final = """() => {
  const all = document.querySelectorAll('dialog[open] *, .dock *, .talk-head *');
  const seen = [...all].filter((each) => each.checkVisibility() && each.localName !== 'canvas');
  return seen.filter((each) => {
    const [inner, outer] = [each, each.closest('dialog, .dock, .talk-head')].map(
      (element) => element.getBoundingClientRect());
    return inner.left < outer.left - 1 || inner.right > outer.right + 1;
  }).map(({ outerHTML }) => outerHTML.slice(0, 200));
}"""
"""What sticks out of where it belongs."""
SHIFT: Final = """() => new Promise((resolve) => {
  const sum = (list) => list.getEntries().reduce((sum, { value }) => sum + value, 0);
  new PerformanceObserver((list) => resolve(sum(list)))
    .observe({ type: 'layout-shift', buffered: true });
  setTimeout(resolve, 1000, 0); // nothing ever moved
})"""
"""How far the page has moved by itself, as Chromium counts it: over 0.1 is felt."""
DIALOGS: Final = (
    ["settings"],
    ["prefs"],
    ["more", "menu-share"],
    ["more", "menu-people"],
    ["more", "menu-inside"],
)
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@over_loopback
def test_the_control_shows_what_goes_on(owner: Visitor) -> None:
    owner.page.add_init_script(AWAKE)
    owner.open("/")
    owner.new_talk()
    assert owner.root("control") == "asleep"
    owner.open_microphone()
    owner.wait_for("[data-control=hearing]", MODEL_MS)
    owner.page.wait_for_function("awake === 1")
    owner["mute"].click()
    owner.wait_for("[data-control=muted]")
    expect(owner["mic"]).to_have_attribute("aria-pressed", "false")
    owner["mic"].click()  # to be heard again
    owner.wait_for("[data-control=listening], [data-control=hearing]")
    owner.close_microphone()
    owner.page.wait_for_function("awake === 0")
    owner.ask()
    owner.wait_for("[data-control=speaking]", MODEL_MS)
    owner.wait_for("[data-level]")  # the ring moves with the agent's voice, too
    owner.page.keyboard.press("Escape")
    owner.wait_for("[data-control=asleep]")
    assert "thinking" in owner.controls()
    owner.check_untroubled()


@over_loopback
def test_the_space_bar_talks_while_it_is_held(owner: Visitor) -> None:
    owner.open("/")
    owner.new_talk()
    page = owner.page
    page.locator("body").click(position={"x": 640, "y": 300})
    page.keyboard.down(" ")
    owner.wait_for_mic("listening", "hearing")
    page.wait_for_timeout(1_000)
    page.keyboard.up(" ")
    owner.wait_for_mic("asleep")

    owner["message-input"].press_sequentially("a b")  # there, a space is a space
    assert owner["message-input"].input_value() == "a b"
    assert owner.root("mic-state") == "asleep"
    owner.check_untroubled()


@over_loopback
def test_the_focus_is_never_lost(owner: Visitor) -> None:
    """By keyboard alone: what goes away leaves the focus where one would look for it."""
    owner.open("/")
    press = owner.page.keyboard.press
    log = owner.page.get_by_role("log")
    owner["new-talk"].focus()
    press("Enter")
    expect(log).to_be_focused()  # where the space bar talks, and makes no other talk
    owner["message-input"].focus()
    owner.page.keyboard.type("花火の話を、長くしてください。")
    press("Enter")
    expect(owner.utterances).to_have_count(1)
    owner["ask"].focus()
    press("Enter")
    expect(owner["stop"]).to_be_visible()
    expect(owner["ask"]).to_be_focused()
    owner["stop"].focus()
    press("Enter")
    expect(owner["mic"]).to_be_focused()
    log.focus()
    press("ArrowUp")
    press("ArrowUp")
    expect(owner["announcer"]).to_contain_text("花火の話を")

    owner["search"].focus()
    press("Enter")
    expect(owner["search-input"]).to_be_focused()
    press("Escape")
    expect(log).to_be_focused()
    owner["title"].focus()
    press("Enter")
    owner.page.keyboard.type("花火")
    press("Enter")
    expect(owner["title"]).to_be_focused()
    expect(owner["talk-link"].first).to_contain_text("花火")

    owner["talk-menu"].first.focus()
    press("Enter")
    press("End")
    press("Enter")
    expect(owner["undo"]).to_be_focused()
    press("Enter")
    expect(log).to_be_focused()
    expect(owner["talk-link"].first).to_contain_text("花火")
    expect(owner["recording"]).not_to_have_attribute("title", SOME_TEXT)  # nor is it recorded
    owner.check_untroubled()


@over_loopback
def test_talks_are_renamed_put_away_deleted_and_taken_back(owner: Visitor) -> None:
    owner.open("/")
    owner.new_talk()
    owner["title"].click()
    owner["rename-input"].fill("夏の計画")
    owner.page.keyboard.press("Enter")
    first = owner["talk-link"].first
    expect(first).to_contain_text("夏の計画")
    owner.new_talk()
    owner.type("花火を見に行きましょう。")
    expect(owner.utterances).to_have_count(1)
    for name in (owner["title"], owner["talk-link"].first):
        expect(name).to_contain_text("花火を見に")  # it has no title

    owner["find"].fill("夏の")
    expect(owner["talk-link"]).to_have_count(1)
    owner["find"].fill("花火")
    owner["hit"].first.click()
    expect(owner.page.locator(".entry.picked")).to_contain_text("花火")
    owner["find"].fill("夏の")

    def choose(item: str) -> None:
        owner["talk-menu"].first.click()
        owner[item].click()

    choose("rename")
    owner["rename-input"].fill("秋の計画")
    owner.page.keyboard.press("Enter")
    owner["find"].fill("秋の")
    expect(owner["talk-link"]).to_contain_text(["秋の計画"])
    choose("delete")
    expect(owner["talk-link"]).to_have_count(0)
    owner["undo"].click()
    expect(owner["talk-link"]).to_have_count(1)
    choose("archive")
    owner["find"].fill("")
    expect(owner["talk-list"].get_by_text("秋の計画")).to_have_count(1)  # it is open
    owner.page.goto(owner.page.url.partition("#")[0] + "#/")
    expect(owner["talk-list"].get_by_text("秋の計画")).to_have_count(0)
    owner.page.locator(".archive summary").click()
    expect(owner.page.locator(".archive").get_by_text("秋の計画")).to_be_visible()
    owner.check_untroubled()


@over_loopback
def test_a_long_talk_opens_on_its_newest_words_and_is_searched_whole(
    server: KaiwaServer, owner: Visitor
) -> None:
    owner.open("/")
    talk = owner.new_talk()
    me = owner.page.request.get(f"{server.url}/auth/me").json()
    owner.open("/")
    _fill(server, talk, me)
    owner.open(f"/#/talks/{talk}")
    owner.page.reload()
    expect(owner.utterances.last).to_have_text(f"{LONG}番目の発言です。")
    owner.wait_until_live()
    assert owner["utterance"].count() < 400, "only a window is in the document"
    assert owner.page.evaluate(SHIFT) < 0.1

    owner["search"].click()
    owner["search-input"].fill("番目ノ発言")  # kana does not matter
    expect(owner["search-count"]).to_have_text(f"{LONG} / {LONG}", timeout=60_000)
    owner["search-input"].fill("7777番目")
    picked = owner.page.locator(".entry.picked .words")
    expect(picked).to_have_text("7777番目の発言です。")
    expect(picked).to_be_in_viewport()
    assert owner.page.evaluate("CSS.highlights.get('sought').size") >= 1
    owner["latest"].click()
    expect(owner.utterances.last).to_have_text(f"{LONG}番目の発言です。")
    owner.check_untroubled()


@over_loopback
def test_a_link_and_its_qr_code_are_made_without_asking_anybody(
    server: KaiwaServer, owner: Visitor
) -> None:
    asked: list[str] = []
    owner.page.on("request", lambda request: asked.append(request.url))
    owner.open("/")
    talk = owner.new_talk()
    owner["share"].click()
    expect(owner["share-link"]).to_have_value(re.compile(f"/#/talks/{talk}$"))
    owner.page.locator(".qr").wait_for()
    size, dark = owner.page.evaluate(
        """() => {
          const canvas = document.querySelector('.qr');
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.width);
          return [canvas.width, data.filter((x, i) => i % 4 === 0 && x === 0).length];
        }"""
    )
    assert size > 25
    assert dark > size * size / 5
    assert all(url.startswith(f"{server.url}/") for url in asked)
    owner.check_untroubled()


@over_loopback
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing(
    server: KaiwaServer, chromium: Browser, owner_state: Any, scheme: str, width: int
) -> None:
    size = {"width": width, "height": 740}
    locale = "ja-JP" if scheme == "light" else "en-GB"
    look = {"viewport": size, "color_scheme": scheme, "reduced_motion": "reduce", "locale": locale}
    with visitor(chromium, base_url=server.url, **look) as stranger:
        stranger.open("/")
        stranger["register-toggle"].click()
        _check_with_axe(stranger)
        stranger.check_untroubled(NOBODY_YET)
    with visitor(chromium, base_url=server.url, storage_state=owner_state, **look) as guest:
        guest.open("/")
        guest["new-talk"].wait_for()
        _check_with_axe(guest)
        for item in ("menu-models", "menu-account"):
            guest["user-menu"].click()
            guest[item].click()
            guest["close-dialog"].wait_for()
            _check_with_axe(guest)
            guest["close-dialog"].click()
        guest.new_talk()
        guest.type("こんにちは。")
        expect(guest.utterances).to_have_count(1)
        _check_with_axe(guest)
        for path in DIALOGS:
            for step in path:
                guest[step].click()
            guest["close-dialog"].wait_for()
            _check_with_axe(guest)
            guest["close-dialog"].click()
        guest["more"].click()
        _check_with_axe(guest)
        guest["menu-search"].click()
        guest["search-input"].fill("こん")
        _check_with_axe(guest)
        guest.open_microphone()
        guest["mute"].click()
        guest.wait_for("[data-control=muted]")
        _check_with_axe(guest)
        guest["mic"].click()
        guest.close_microphone()
        assert guest.page.evaluate("document.documentElement.scrollWidth") <= width
        guest.check_untroubled()


@over_loopback
@pytest.mark.parametrize("locale", ["ja-JP", "en-GB"])
def test_nothing_is_cut_off_on_a_phone_with_the_largest_text(
    server: KaiwaServer, chromium: Browser, owner_state: Any, locale: str
) -> None:
    look = {"viewport": {"width": 360, "height": 740}, "locale": locale}
    with visitor(chromium, base_url=server.url, storage_state=owner_state, **look) as guest:
        guest.page.add_init_script("localStorage['kaiwa.preferences'] = '{\"text\":\"larger\"}'")
        guest.open("/")
        talk = guest.new_talk()
        with server.client(server.token("Alexandra Featherstonehaugh")) as someone:
            someone.get("/auth/me")
        guest["more"].click()
        guest["menu-people"].click()
        guest["member-name"].fill("Alexandra Featherstonehaugh")
        guest.page.keyboard.press("Enter")
        expect(guest["members-dialog"].get_by_role("listitem")).to_have_count(2)
        assert guest.page.evaluate(CUT) == []
        guest["close-dialog"].click()
        for path in DIALOGS:
            for step in path:
                guest[step].click()
            guest["close-dialog"].wait_for()
            assert guest.page.evaluate(CUT) == []
            guest["close-dialog"].click()
        guest.open_microphone()
        guest["mute"].wait_for()
        guest.ask()
        guest["stop"].wait_for()
        assert guest.page.evaluate(CUT) == []
        guest["stop"].click()
        guest.close_microphone()
        guest.page.set_viewport_size({"width": 1280, "height": 740})
        expect(guest["people"]).to_be_visible()
        guest.open("/#/")
        expect(guest["people"]).to_be_hidden()
        expect(guest.page.locator(f'[data-talk="{talk}"]').first).to_be_visible()
        guest.check_untroubled()


def _check_with_axe(guest: Visitor) -> None:
    guest.page.evaluate(UNMOVED)
    options = {"runOnly": {"type": "tag", "values": RULES}}
    found = Axe().run(guest.page, options=options).response["violations"]
    assert found == [], json.dumps(found, ensure_ascii=False, indent=1)


def _fill(server: KaiwaServer, talk: str, me: dict[str, str]) -> None:
    """`LONG` utterances, as rows: to say them would take hours."""

    def row(seq: int, i: int) -> tuple[str, int, str, str]:
        event = {
            "type": "utterance.final",
            "at": f"2026-11-{1 + i // 500:02d}T{i // 60 % 24:02d}:{i % 60:02d}:00Z",
            "utterance_id": f"capture-{i}",
            "participant": me["id"],
            "name": me["name"],
            "text": f"{i}番目の発言です。",
            "language": "ja",
            "started_ms": i * 1000,
            "ended_ms": i * 1000 + 900,
            "capture": "capture",
        }
        return talk, seq + i, f"fill-{i}", json.dumps(event, ensure_ascii=False)

    async def fill() -> None:
        folder = server.data / "postgres"
        connection = await asyncpg.connect(f"postgresql://postgres@/postgres?host={folder}")
        seq = await connection.fetchval("SELECT seq FROM talks WHERE id = $1", talk)
        await connection.copy_records_to_table(
            "events",
            records=[row(seq, i) for i in range(1, LONG + 1)],
            columns=["talk_id", "seq", "event_id", "payload"],
        )
        await connection.execute("UPDATE talks SET seq = seq + $2 WHERE id = $1", talk, LONG)
        await connection.close()

    with ThreadPoolExecutor(1) as pool:  # Playwright's own loop runs in this thread
        pool.submit(asyncio.run, fill()).result()
