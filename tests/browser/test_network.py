"""The network goes away while somebody speaks, or listens: cut off, or silent without an end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import over_loopback
from tests.browser.network import Network
from tests.browser.server import KaiwaServer
from tests.browser.visitor import GONE, MODEL_MS, NOBODY_YET, SOME_TEXT, Visitor, visitor

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

AWAY_MS = 4_000
NUMBERS = count(1)  # a name is one person's
AWAY = r"ERR_TIMED_OUT|ERR_NETWORK|ERR_SOCKET|status of 404.*/captures/"


@pytest.fixture
def network(server: KaiwaServer) -> Iterator[Network]:
    with Network.run(server) as network:
        yield network


@pytest.fixture
def hanako(network: Network, chromium: Browser, visitors: ExitStack) -> Visitor:
    """Somebody whose browser reaches the server through that network."""
    someone = visitors.enter_context(visitor(chromium, base_url=network.url))
    someone.open("/")
    someone.register(f"花子{next(NUMBERS)}")
    someone.new_talk()
    return someone


@over_loopback
@pytest.mark.parametrize("away", [Network.cut, Network.stall])
def test_words_are_said_on_while_the_network_is_away(
    network: Network, hanako: Visitor, owner_state: object, away: Callable[[Network], None]
) -> None:
    hanako.open_microphone()
    hanako.partials.wait_for(timeout=MODEL_MS)
    away(network)  # in the middle of a word
    hanako.wait_for_mic("reconnecting")
    expect(hanako["status"]).to_have_attribute("data-status", "reconnecting")
    hanako.page.wait_for_timeout(AWAY_MS)
    network.heal()
    hanako.wait_for("[data-stream=live]", MODEL_MS)
    hanako.utterances.filter(has_text="天気").wait_for(timeout=MODEL_MS)
    hanako.close_microphone()
    for word in ("こんにちは", "天気"):
        expect(hanako.utterances.filter(has_text=word)).to_have_count(1)
    hanako.check_untroubled(GONE, AWAY, NOBODY_YET)


@over_loopback
def test_a_reply_is_heard_to_its_end_though_the_network_was_cut(
    network: Network, hanako: Visitor, owner_state: object
) -> None:
    hanako.type("日本の四季について、四つの文で話して。")
    hanako.ask()
    hanako.replies.filter(has_text=SOME_TEXT).wait_for(timeout=MODEL_MS)
    hanako.page.locator(".clause.lit").wait_for(timeout=MODEL_MS)
    network.cut()
    hanako.wait_for("[data-stream=connecting]")
    hanako.page.wait_for_timeout(AWAY_MS)
    network.heal()
    hanako.wait_until_live()
    hanako.wait_for_reply()
    hanako.wait_for("[data-control=asleep]", MODEL_MS)
    spoken = hanako.page.locator("[data-clause]").count()
    clips = hanako.clips()
    assert spoken == len(clips) > 1
    assert all(clip["ended"] for clip in clips)
    hanako.check_untroubled(GONE, AWAY, NOBODY_YET)


@over_loopback
def test_a_reply_waits_for_a_network_that_gives_nothing_and_goes_on(
    network: Network, hanako: Visitor, owner_state: object
) -> None:
    hanako.type("日本の四季について、二つの文で話して。")
    hanako.ask()
    hanako.page.locator(".clause.lit").wait_for(timeout=MODEL_MS)
    network.stall()
    expect(hanako["status"]).to_have_attribute("data-status", "offline")
    fetched = hanako.clips()
    assert all(clip["ended"] - clip["began"] > clip["seconds"] * 0.9 for clip in fetched)
    network.heal()
    hanako.wait_until_live()
    hanako.page.wait_for_function(
        "heard => journal.clips.filter(({ ended }) => ended).length > heard",
        arg=len(fetched),
        timeout=MODEL_MS,
    )
    hanako.check_untroubled(GONE, AWAY, NOBODY_YET)
