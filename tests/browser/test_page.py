"""The page as people use it: a real Chromium, the real server, real models, and a microphone into
which the project's own voices speak."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, Playwright, expect

from tests.browser.chromium import REFUSING, launch
from tests.browser.conftest import over_both, over_loopback, over_tls
from tests.browser.server import KaiwaServer
from tests.browser.visitor import (
    GONE,
    MODEL_MS,
    NOBODY_YET,
    PASSWORD,
    SOME_TEXT,
    Visitor,
    visitor,
)

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

KANA = re.compile("[ぁ-ヿ]")


@over_both
def test_words_appear_while_they_are_said_and_the_answer_is_heard(
    server: KaiwaServer, owner: Visitor
) -> None:
    owner.open("/")
    owner.new_talk()

    owner.open_microphone()
    owner.partials.wait_for(timeout=MODEL_MS)
    assert owner.root("mic-state") in ("listening", "hearing")
    said = _said(owner, "天気")
    owner.close_microphone()
    assert KANA.search(said)
    _check_they_came_during_the_recording(owner)
    assert owner.root("source") == "pcm"
    assert owner.root("transport") == ("fetch" if server.tls else "websocket")
    if server.tls:
        _check_the_body_was_streamed(owner)

    owner.ask()
    answer = owner.wait_for_reply()
    assert KANA.search(answer)
    lengths = [len(seen["text"]) for seen in owner.words("reply")]
    assert len(set(lengths)) > 1, "the text did not come piece by piece"
    assert lengths == sorted(lengths)
    owner.wait_for_sound()
    _check_it_sounded(owner)

    owner.page.reload()
    owner.wait_until_live()
    expect(owner.utterances.filter(has_text="天気")).to_have_text(said)
    expect(owner.replies).to_have_text([answer])
    owner.check_untroubled()


@over_tls
def test_the_media_recorder_streams_too(
    server: KaiwaServer, english_chromium: Browser, owner_state: Any, visitors: ExitStack
) -> None:
    guest = visitors.enter_context(
        visitor(english_chromium, base_url=server.url, storage_state=owner_state, locale="en-GB")
    )
    guest.open("/?capture=webm")
    guest.new_talk()
    guest.open_microphone()
    guest.partials.wait_for(timeout=MODEL_MS)
    _said(guest, "London")
    guest.close_microphone()
    _check_they_came_during_the_recording(guest)
    assert (guest.root("source"), guest.root("transport")) == ("recorder", "fetch")
    _check_the_body_was_streamed(guest)
    guest.check_untroubled()


@over_loopback
def test_everybody_in_a_talk_sees_it_live(
    server: KaiwaServer, owner: Visitor, chromium: Browser, visitors: ExitStack
) -> None:
    hanako = visitors.enter_context(visitor(chromium, base_url=server.url))
    hanako.open("/")
    hanako.register("花子")
    expect(hanako["new-talk"]).to_be_visible()
    with server.client(server.token("太郎")) as taro:
        talk = taro.post("/talks", json={"language": "ja", "title": "花見の相談"}).json()["id"]
        for name in ("花子", _owner_name(owner, server)):
            added = taro.post(f"/talks/{talk}/members", json={"name": name, "role": "speaker"})
            assert added.status_code == 201, added.text

    for each in (owner, hanako):
        each.open(f"/#/talks/{talk}")
        each.wait_until_live()
        expect(each.page.get_by_role("heading", name="花見の相談")).to_be_visible()

    owner.open_microphone()
    hanako.partials.wait_for(timeout=MODEL_MS)
    said = _said(hanako, "天気")
    owner.close_microphone()
    expect(owner.utterances.filter(has_text="天気")).to_have_text(said)

    owner.ask()
    answer = hanako.wait_for_reply()
    assert KANA.search(answer)
    assert len({seen["text"] for seen in hanako.words("reply")}) > 1
    hanako.wait_for_sound()
    _check_it_sounded(hanako)
    assert owner.wait_for_reply() == answer
    owner.check_untroubled()
    hanako.check_untroubled(NOBODY_YET)


@over_loopback
def test_the_keyboard_is_enough(owner: Visitor) -> None:
    owner.open("/")
    owner.new_talk()
    owner.open("/")
    page = owner.page
    owner["talk-link"].first.wait_for()
    _tab_to(owner, "talk-link")
    page.keyboard.press("Enter")
    owner.wait_until_live()
    _tab_to(owner, "message-input")
    page.keyboard.type("日本で一番高い山の名前だけを教えて。")
    page.keyboard.press("Enter")
    expect(owner.utterances).to_have_text(["日本で一番高い山の名前だけを教えて。"])
    _tab_to(owner, "ask", back=True)
    page.keyboard.press("Enter")
    assert owner.wait_for_reply().strip()
    owner.check_untroubled()


@over_loopback
def test_the_stop_button_ends_a_reply_and_the_page_says_so(owner: Visitor) -> None:
    owner.open("/")
    owner.new_talk()
    owner.type("桃太郎の昔話を、最初から最後まで、とても長く詳しく話してください。")
    expect(owner.utterances).to_have_count(1)
    owner.ask()
    owner.replies.filter(has_text=SOME_TEXT).wait_for(timeout=MODEL_MS)
    owner["stop"].click()
    told = owner.wait_for_reply("interrupted")
    expect(owner["reply"].locator(".remark")).to_be_visible()
    expect(owner["stop"]).to_be_hidden()
    expect(owner["ask"]).to_be_enabled()
    owner.wait_until_silent()
    assert len(told) < 400
    owner.check_untroubled()


@over_loopback
def test_a_talk_may_be_silent_or_speak_with_the_browsers_voice(owner: Visitor) -> None:
    owner.page.add_init_script(A_VOICE_OF_THE_BROWSER)
    owner.open("/")
    owner.new_talk()
    owner.choose_voice("none")
    owner.type("「はい」とだけ答えて。")
    owner.ask()
    owner.wait_for_reply()
    assert owner.clips() == []
    assert owner.root("played") is None

    owner.choose_voice("browser")
    owner.type("「いいえ」とだけ答えて。")
    owner.ask()
    expect(owner["reply"]).to_have_count(2)
    owner.wait_for_sound()
    expect(owner["reply"].last).to_have_attribute("data-status", "complete", timeout=MODEL_MS)
    spoken = owner.page.evaluate("journal.spoken")
    assert spoken
    assert {each["lang"] for each in spoken} == {"ja-JP"}
    assert spoken[0]["text"] in owner.replies.last.inner_text()
    assert owner.clips() == []
    owner.check_untroubled()


@over_loopback
def test_signing_out_and_in_and_the_language_of_the_page(
    server: KaiwaServer, chromium: Browser, visitors: ExitStack
) -> None:
    guest = visitors.enter_context(visitor(chromium, base_url=server.url))
    guest.open("/")
    guest.register("Momo")
    expect(guest["new-talk"]).to_contain_text("新しいトーク")
    guest["locale"].select_option("en")
    expect(guest["new-talk"]).to_contain_text("New talk")
    expect(guest.page.locator("html")).to_have_attribute("lang", "en")
    guest.new_talk()
    guest.type("Remember me.")
    expect(guest.utterances).to_have_text(["Remember me."])

    guest["user-menu"].click()
    guest["sign-out"].click()
    expect(guest["signin-submit"]).to_have_text("Sign in")
    guest.sign_in("Momo", "not the password")
    expect(guest.page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    guest.sign_in("Momo", PASSWORD)
    guest.wait_until_live()
    expect(guest.utterances).to_have_text(["Remember me."])
    guest.page.reload()
    expect(guest["new-talk"]).to_contain_text("New talk")
    guest["locale"].select_option("ja")
    expect(guest["new-talk"]).to_contain_text("新しいトーク")
    guest.page.route("**/auth/logout", lambda route: route.abort())
    guest["user-menu"].click()
    guest["sign-out"].click()
    expect(guest["signin-submit"]).to_be_visible()
    expect(guest["notice"]).to_contain_text("まだサインアウトできていません")
    guest.check_untroubled(NOBODY_YET, r"status of 401.*/auth/login", r"ERR_FAILED.*/auth/logout")


@over_loopback
def test_a_used_code_lets_nobody_in_and_the_page_says_so(
    server: KaiwaServer, owner: Visitor, chromium: Browser, visitors: ExitStack
) -> None:
    stranger = visitors.enter_context(visitor(chromium))
    stranger.open(server.way_in())
    expect(stranger["signin-submit"]).to_be_visible()
    expect(stranger["notice"]).to_contain_text("使用済み")
    assert "code=" not in stranger.page.url
    stranger.check_untroubled(NOBODY_YET, r"status of 401.*/auth/code")


@over_loopback
def test_a_refused_microphone_is_explained(
    server: KaiwaServer, owner_state: Any, playwright: Playwright, visitors: ExitStack
) -> None:
    browser = launch(playwright, *REFUSING)
    visitors.callback(browser.close)
    guest = visitors.enter_context(visitor(browser, base_url=server.url, storage_state=owner_state))
    guest.open("/")
    guest.new_talk()
    guest.open_microphone()
    expect(guest["notice"]).to_contain_text("マイクの使用が許可されていません")
    expect(guest["notice"]).to_have_attribute("data-code", "mic.denied")
    guest.wait_for_mic("asleep")
    guest.check_untroubled()


@over_loopback
def test_a_server_killed_in_mid_sentence_comes_back_and_nothing_is_lost(
    server: KaiwaServer, owner: Visitor
) -> None:
    owner.open("/")
    owner.new_talk()
    owner.type("この言葉を覚えていてください。")
    expect(owner.utterances).to_have_count(1)

    owner.open_microphone()
    owner.partials.wait_for(timeout=MODEL_MS)
    server.kill()  # in the middle of a sentence
    owner.wait_for("[data-stream=connecting]")
    owner.wait_for_mic("reconnecting")
    server.start()
    owner.wait_until_live()
    _said(owner, "天気")
    owner.close_microphone()
    expect(owner.utterances.filter(has_text="こんにちは")).to_have_count(1)
    expect(owner.utterances.filter(has_text="天気")).to_have_count(1)
    expect(owner.utterances.first).to_have_text("この言葉を覚えていてください。")
    texts = owner.utterances.all_inner_texts()

    owner.page.reload()
    owner.wait_until_live()
    expect(owner.utterances).to_have_text(texts)
    owner.check_untroubled(GONE, "WebSocket connection to")


def _said(reader: Visitor, keyword: str) -> str:
    """The final utterance with this word in it; recognition may differ in the others."""
    utterance = reader.utterances.filter(has_text=re.compile(keyword, re.IGNORECASE))
    utterance.first.wait_for(timeout=MODEL_MS)
    return utterance.first.inner_text()


def _check_they_came_during_the_recording(speaker: Visitor) -> None:
    partials = speaker.words("partial")
    assert {seen["mic"] for seen in partials} <= {"listening", "hearing"}
    finals = {final["id"]: final["at"] for final in reversed(speaker.words("utterance"))}
    assert any(seen["at"] < finals.get(seen["id"], 0) for seen in partials)


def _check_the_body_was_streamed(speaker: Visitor) -> None:
    """One request over HTTP/2, already under way when the first words came, answered after."""
    uploads = speaker.page.evaluate(
        """performance.getEntriesByType('resource')
            .filter(({name}) => new URL(name).searchParams.has('capture'))
            .map(({nextHopProtocol, startTime, responseStart}) =>
                ({nextHopProtocol, startTime, responseStart}))"""
    )
    assert len(uploads) == 1
    assert uploads[0]["nextHopProtocol"] == "h2"
    first = speaker.words("partial")[0]["at"]
    assert uploads[0]["startTime"] < first < uploads[0]["responseStart"]


def _check_it_sounded(listener: Visitor) -> None:
    """A clip that is not silent ran from its start to its end on a running clock."""
    done = [clip for clip in listener.clips() if clip["ended"] is not None]
    assert done
    for clip in done:
        assert clip["state"] == "running"
        assert clip["peak"] > 0.02
        assert clip["seconds"] > 0.2
        assert clip["ended"] - clip["began"] >= clip["seconds"] * 0.9


def _owner_name(owner: Visitor, server: KaiwaServer) -> str:
    answer = owner.page.request.get(f"{server.url}/auth/me").json()
    return str(answer["name"])


def _tab_to(visitor: Visitor, testid: str, *, back: bool = False) -> None:
    for _ in range(40):
        if visitor.page.evaluate("document.activeElement?.dataset.testid") == testid:
            return
        visitor.page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"the keyboard does not reach {testid}")


A_VOICE_OF_THE_BROWSER = """
speechSynthesis.speak = (utterance) => {
  journal.spoken.push({ text: utterance.text, lang: utterance.lang });
  setTimeout(() => utterance.onstart(), 10);
  setTimeout(() => utterance.onend(), 200);
};
speechSynthesis.cancel = () => {};
"""
