"""A person at the page: what they do, and what their browser saw and heard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Response, expect

WITNESS: Final = Path(__file__).with_name("witness.js")
SOON_MS: Final = 60_000  # what needs no model; a test that waits so long has failed
MODEL_MS: Final = 150_000  # what does, on a busy machine
PASSWORD: Final = "correct horse battery"
SOME_TEXT: Final = re.compile(r"\S")
NOBODY_YET: Final = r"status of 401.*/auth/me"  # a browser logs every refused request
GONE: Final = (
    "ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED|"
    "WebSocket connection to"
)


class Visitor:
    """One browser tab. `troubles` collects what the console and the network complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.troubles: list[str] = []
        page.set_default_timeout(SOON_MS)
        page.add_init_script(path=WITNESS)
        page.on("console", self._read)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("response", self._check)

    # what they do

    def open(self, url: str) -> None:
        self.page.goto(url)

    def register(self, name: str) -> None:
        self["register-toggle"].click()
        self._fill_in_door(name)

    def sign_in(self, name: str, password: str = PASSWORD) -> None:
        self._fill_in_door(name, password)

    def new_talk(self) -> str:
        self["new-talk"].click()
        self.wait_until_live()
        return self.page.url.rpartition("/")[2]

    def open_microphone(self) -> None:
        self["mic"].click()

    def close_microphone(self) -> None:
        """And wait until the last word is stored."""
        self["mic"].click()
        self.wait_for_mic("asleep")

    def type(self, text: str) -> None:
        self["message-input"].fill(text)
        self["send"].click()

    def ask(self) -> None:
        self["ask"].click()

    def choose_voice(self, voice: str) -> None:
        self["settings"].click()
        self["setting-voice"].select_option(voice)
        self["settings-save"].click()
        expect(self["settings-dialog"]).to_have_count(0)

    # what they see

    def __getitem__(self, testid: str) -> Locator:
        return self.page.get_by_test_id(testid)

    @property
    def partials(self) -> Locator:
        return self["partial"].locator(".words").filter(has_text=SOME_TEXT)

    @property
    def utterances(self) -> Locator:
        return self["utterance"].locator(".words")

    @property
    def replies(self) -> Locator:
        return self["reply"].locator(".words")

    def wait_until_live(self) -> None:
        self.wait_for("[data-stream=live]")

    def wait_for_mic(self, *states: str) -> None:
        self.wait_for(",".join(f"[data-mic-state={state}]" for state in states), MODEL_MS)

    def wait_for(self, root: str, timeout: float = SOON_MS) -> None:
        """Until the page's root element fits this selector."""
        self.page.locator(f"html:is({root})").wait_for(state="attached", timeout=timeout)

    def wait_for_reply(self, status: str = "complete") -> str:
        """The text of the only reply, when it is done."""
        reply = self.page.locator(f"[data-testid=reply][data-status={status}]")
        reply.wait_for(timeout=MODEL_MS)
        return reply.locator(".words").inner_text()

    def wait_for_sound(self) -> None:
        """Until a clip has been played to its end."""
        self.wait_for("[data-played]", MODEL_MS)

    def wait_for_replay(self, count: int) -> None:
        """Until so many recordings have begun to be heard, however short they are."""
        self.page.wait_for_function("count => journal.replays >= count", arg=count)

    def wait_until_silent(self) -> None:
        """Until every clip that began has ended."""
        self.page.wait_for_function("journal.clips.every(({ended, peak}) => ended || !peak)")

    # what was witnessed

    def words(self, kind: str) -> list[dict[str, Any]]:
        """Each text that a partial, an utterance or a reply had, in order."""
        return [seen for seen in self._journal("words") if seen["kind"] == kind]

    def controls(self) -> list[str]:
        """What the microphone's control showed, in order, however briefly."""
        found: list[str] = self._journal("controls")
        return found

    def clips(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._journal("clips")
        return found

    def root(self, name: str) -> str | None:
        return self.page.locator("html").get_attribute(f"data-{name}")

    def check_untroubled(self, *expected: str) -> None:
        """Nothing went wrong but what the test expects (regular expressions)."""
        surprises = [
            trouble
            for trouble in self.troubles
            if not any(re.search(pattern, trouble) for pattern in expected)
        ]
        assert not surprises, surprises
        assert self._journal("violations") == []

    def _journal(self, part: str) -> Any:
        return self.page.evaluate(f"journal.{part}")

    def _fill_in_door(self, name: str, password: str = PASSWORD) -> None:
        self["signin-name"].fill(name)
        self["signin-password"].fill(password)
        self["signin-submit"].click()

    def _read(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(f"{message.text} {message.location.get('url', '')}")

    def _check(self, response: Response) -> None:
        if response.status >= 500:
            self.troubles.append(f"{response.status} {response.url}")


@contextmanager
def visitor(browser: Browser, **context: Any) -> Iterator[Visitor]:
    """Somebody new in a browser of their own; the interface speaks Japanese unless told."""
    settings = {"locale": "ja-JP", "ignore_https_errors": True, **context}
    fresh = browser.new_context(**settings)
    try:
        yield Visitor(fresh.new_page())
    finally:
        fresh.close()
