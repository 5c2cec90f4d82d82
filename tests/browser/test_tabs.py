"""The tabs of one browser: one stream of events for all, and one that sounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import over_loopback
from tests.browser.server import KaiwaServer
from tests.browser.visitor import GONE, MODEL_MS, Visitor

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]


@over_loopback
def test_ten_tabs_on_plain_http_read_one_stream(owner: Visitor) -> None:
    with _streams(owner) as opened:
        tabs = [owner, *(Visitor(owner.page.context.new_page()) for _ in range(9))]
        owner.open("/")
        talk = owner.new_talk()
        for tab in tabs[1:8]:
            tab.open(f"/#/talks/{talk}")
        for tab in tabs[8:]:
            tab.open("/")
            tab.new_talk()
        for tab in tabs:
            tab.wait_until_live()
        owner.type("みんなに見えますか。")
        for tab in tabs[1:8]:
            expect(tab.utterances).to_have_text(["みんなに見えますか。"])
        for tab in tabs[8:]:
            expect(tab.utterances).to_have_count(0)
        leaders = {page for page, _ in opened}
        assert leaders == {owner.page}, "only the first tab reads"

        owner.page.close()  # another tab takes over
        tabs[5].type("まだ見えますか。")
        for tab in tabs[1:8]:
            expect(tab.utterances.last).to_have_text("まだ見えますか。")
        tabs[9].type("別のトークです。")
        expect(tabs[9].utterances).to_have_text(["別のトークです。"])
        assert len({page for page, _ in opened}) == 2
        for tab in tabs[1:]:
            tab.check_untroubled()


@over_loopback
def test_a_stream_that_broke_is_taken_up_in_every_tab(server: KaiwaServer, owner: Visitor) -> None:
    owner.open("/")
    talk = owner.new_talk()
    other = Visitor(owner.page.context.new_page())
    other.open(f"/#/talks/{talk}")
    other.wait_until_live()
    server.kill()
    for tab in (owner, other):
        tab.wait_for("[data-stream=connecting]")
    server.start()
    for tab in (owner, other):
        tab.wait_until_live()
    other.type("また会えました。")
    expect(owner.utterances).to_have_text(["また会えました。"])
    owner.check_untroubled(GONE)
    other.check_untroubled(GONE)


@over_loopback
def test_a_reply_sounds_in_one_tab_and_lights_up_in_both(owner: Visitor) -> None:
    owner.open("/")
    talk = owner.new_talk()
    other = Visitor(owner.page.context.new_page())
    other.open(f"/#/talks/{talk}")
    other.wait_until_live()
    other.type("日本の四季について、三つの文で話して。")
    other.ask()
    owner.page.locator(".clause.lit").wait_for(timeout=MODEL_MS)
    other.wait_for_sound()
    assert owner.clips() == []
    assert other.clips()
    owner.check_untroubled()
    other.check_untroubled()


@contextmanager
def _streams(owner: Visitor) -> Iterator[list[tuple[Page, str]]]:
    """The event streams that were opened, and by which tab."""
    opened: list[tuple[Page, str]] = []
    owner.page.context.on(
        "request",
        lambda request: (
            opened.append((request.frame.page, request.url))
            if "/stream?after=" in request.url
            else None
        ),
    )
    yield opened
