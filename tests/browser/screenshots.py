"""The README's pictures, of the real page with real content: `python -m tests.browser.screenshots
OUT_DIR` writes desk.png and phone.png."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Final

import httpx
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chromium import hearing, launch, write_recording
from tests.browser.server import KaiwaServer
from tests.browser.visitor import MODEL_MS, PASSWORD, visitor
from tests.fakes.speech import japanese

SAID: Final = "天気がいいといいですね。ほかに何を持って行きますか。"
TALKS: Final = ("買い物の相談", "英語の練習", "週末の高尾山")
TYPED: Final = (
    ("太郎", "土曜日、高尾山に登りませんか。"),
    ("ケン", "行きます。お弁当は任せてください。"),
)
INSTRUCTIONS: Final = "名前は書かず、日本語の一文で短く答えてください。"
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
        hanako, *others = (_account(http, name) for name in ("花子", *(name for name, _ in TYPED)))
        settings = {"language": "ja", "instructions": INSTRUCTIONS}
        talks = [
            http.post("/talks", json={"title": title, **settings}, headers=hanako).json()["id"]
            for title in TALKS
        ]
        http.post(f"/talks/{talks[0]}/messages", json={"text": "こんにちは。"}, headers=hanako)
        http.post(f"/talks/{talks[0]}/reply", headers=hanako)
        with http.stream("GET", f"/talks/{talks[0]}/stream", headers=hanako) as events:
            next(line for line in events.iter_lines() if line == "event: reply.finished")
        for name, _ in TYPED:
            http.post(f"/talks/{talks[-1]}/members", json={"name": name}, headers=hanako)
        for (_, text), other in zip(TYPED, others, strict=True):
            http.post(f"/talks/{talks[-1]}/messages", json={"text": text}, headers=other)
        return str(talks[-1])


def _account(http: httpx.Client, name: str) -> dict[str, str]:
    """Headers that sign its requests."""
    token = http.post("/auth/register", json={"name": name, "password": PASSWORD}).json()["token"]
    http.cookies.clear()
    return {"authorization": f"Bearer {token}"}


def _take(browser: Browser, server: KaiwaServer, talk: str, out: Path) -> None:
    """The phone while somebody speaks, then the desk while the answer is heard."""
    phone_like = {**PHONE, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
    with visitor(browser, base_url=server.url, **phone_like) as phone:
        phone.open(f"/#/talks/{talk}")
        phone.sign_in("花子")
        phone.wait_until_live()
        phone.open_microphone()
        phone.partials.filter(has_text=re.compile(r"\S{6}")).wait_for(timeout=MODEL_MS)
        phone.page.screenshot(path=out / "phone.png")
        expect(phone["utterance"].nth(len(TYPED))).to_be_visible(timeout=MODEL_MS)
        phone.close_microphone()
        state = phone.page.context.storage_state()
    with visitor(browser, base_url=server.url, storage_state=state, **DESK) as desk:
        desk.open(f"/#/talks/{talk}")
        desk.wait_until_live()
        desk.ask()
        desk.page.mouse.move(640, 200)
        desk.replies.filter(has_text=re.compile(r"\S{12}")).wait_for(timeout=MODEL_MS)
        desk.page.locator(".clause.lit").wait_for(timeout=MODEL_MS)
        desk.page.screenshot(path=out / "desk.png")
        desk.wait_for_reply()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
