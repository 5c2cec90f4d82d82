"""The README's pictures, of the real page with real content: `python -m tests.browser.screenshots
OUT_DIR` writes desk.png and phone.png."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chromium import hearing, launch, write_recording
from tests.browser.server import KaiwaServer
from tests.browser.visitor import MODEL_MS, PASSWORD, visitor
from tests.fakes.speech import japanese

SAID: Final = "日本で一番高い山は、富士山ですよね。高さは何メートルですか。"
TALKS: Final = ("買い物の相談", "英語の練習", "富士山に登る")
INSTRUCTIONS: Final = "一文か二文で短く答えてください。"
DESK: Final = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
PHONE: Final = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kaiwa-pictures-") as folder:
        recording = write_recording(Path(folder) / "said.wav", japanese(SAID))
        server = KaiwaServer(Path(folder) / "data")
        server.start()
        server.wait_until_ready()
        try:
            with sync_playwright() as playwright:
                browser = launch(playwright, *hearing(recording))
                talk = _prepare(server)
                _take(browser, server, talk, out)
                browser.close()
        finally:
            server.stop()


def _prepare(server: KaiwaServer) -> str:
    """Talks of 花子, who is about to come; the last one is the one in the picture. A reply in the
    first warms the models, as on a server that has been in use."""
    with server.client() as http:
        who = {"name": "花子", "password": PASSWORD}
        token = http.post("/auth/register", json=who).json()["token"]
        http.cookies.clear()
        http.headers["authorization"] = f"Bearer {token}"
        settings = {"language": "ja", "instructions": INSTRUCTIONS}
        talks = [
            http.post("/talks", json={"title": title, **settings}).json()["id"] for title in TALKS
        ]
        http.post(f"/talks/{talks[0]}/messages", json={"text": "こんにちは。"})
        http.post(f"/talks/{talks[0]}/reply")
        with http.stream("GET", f"/talks/{talks[0]}/stream") as events:
            next(line for line in events.iter_lines() if line == "event: reply.finished")
        return str(talks[-1])


def _take(browser: Browser, server: KaiwaServer, talk: str, out: Path) -> None:
    with visitor(browser, base_url=server.url, **DESK) as desk:
        desk.open(f"/#/talks/{talk}")
        desk.sign_in("花子")
        desk.wait_until_live()
        desk.open_microphone()
        expect(desk["utterance"]).to_have_count(1, timeout=MODEL_MS)
        desk.close_microphone()
        desk.ask()
        desk.wait_for_reply()
        expect(desk["status"]).to_have_attribute("data-status", "asleep", timeout=MODEL_MS)
        desk.page.mouse.move(640, 200)
        desk.page.screenshot(path=out / "desk.png")
        state = desk.page.context.storage_state()
    phone_like = {**PHONE, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
    with visitor(browser, base_url=server.url, storage_state=state, **phone_like) as phone:
        phone.open(f"/#/talks/{talk}")
        phone.wait_until_live()
        phone.wait_for_reply()
        phone.open_microphone()
        phone.partials.filter(has_text=re.compile("富士山")).wait_for(timeout=MODEL_MS)
        phone.page.screenshot(path=out / "phone.png")
        phone.close_microphone()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
