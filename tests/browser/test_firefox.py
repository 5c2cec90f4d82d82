"""The page in Firefox, by WebDriver BiDi, which it speaks itself, with a microphone that hears:
PulseAudio plays the recording into it. Skipped where Firefox or PulseAudio are not installed."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.browser.chromium import write_recording
from tests.browser.conftest import JAPANESE, over_loopback
from tests.browser.server import KaiwaServer
from tests.browser.visitor import MODEL_MS, PASSWORD, SOON_MS
from tests.fakes.speech import japanese
from tests.ports import free_port

FIREFOX: Final = next(filter(None, map(shutil.which, ("firefox", "firefox-esr"))), "")
PULSE: Final = ("pulseaudio", "pactl", "paplay")
PREFERENCES: Final = {
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "intl.accept_languages": "ja",
    "media.autoplay.default": 0,
    "media.navigator.permission.disabled": True,
}
VOICE: Final = "voice"  # the sink that the microphone hears
ANSWER_S: Final = SOON_MS / 1000

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        not (FIREFOX and all(map(shutil.which, PULSE))), reason="there is no Firefox or PulseAudio"
    ),
]


class Firefox:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count()
        self._do("session.new", capabilities={})
        self._tab = self._do("browsingContext.getTree")["contexts"][0]["context"]

    def open(self, url: str) -> None:
        self._do("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height}
        self._do("browsingContext.setViewport", context=self._tab, viewport=size)

    def run(self, script: str) -> Any:
        """The value of an expression, which may do what needs a person's gesture."""
        answer = self._do(
            "script.evaluate",
            expression=f"JSON.stringify(({script}) ?? null)",
            target={"context": self._tab},
            awaitPromise=False,
            userActivation=True,
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def click(self, testid: str) -> None:
        self.wait_for(f"document.querySelector('[data-testid={testid}]') !== null")
        self.run(f"document.querySelector('[data-testid={testid}]').click()")

    def fill(self, testid: str, text: str) -> None:
        self.run(f"document.querySelector('[data-testid={testid}]').value = {json.dumps(text)}")

    def wait_for(self, expression: str, timeout_ms: float = SOON_MS) -> None:
        until = time.monotonic() + timeout_ms / 1000
        while not self.run(expression):
            assert time.monotonic() < until, f"{expression}: {self.run('document.body.innerText')}"
            time.sleep(0.2)

    def wait_for_utterance(self, words: str) -> None:
        each = "[...document.querySelectorAll('[data-testid=utterance] .words')]"
        self.wait_for(f"{each}.some((e) => e.textContent.includes('{words}'))", MODEL_MS)

    def _do(self, method: str, **params: Any) -> Any:
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (answer := json.loads(self._socket.recv(ANSWER_S))).get("id") != number:
            pass  # an event
        assert answer["type"] == "success", answer
        return answer["result"]


@pytest.fixture
def sound(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of whoever hears and plays on this test's own PulseAudio."""
    socket = tmp_path / "sound.socket"
    modules = (
        f"module-null-sink sink_name={VOICE}",
        f"module-remap-source source_name=microphone master={VOICE}.monitor",
        "module-null-sink sink_name=loudspeaker",
        f"module-native-protocol-unix socket={socket} auth-anonymous=1",
    )
    command = ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]
    with _running(
        [*command, *(part for module in modules for part in ("-L", module))],
        {**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
    ):
        until = time.monotonic() + ANSWER_S
        while not socket.exists():
            assert time.monotonic() < until, "PulseAudio did not come"
            time.sleep(0.1)
        environment = {**os.environ, "PULSE_SERVER": f"unix:{socket}"}
        for default in ("source microphone", "sink loudspeaker"):
            what, name = default.split()
            subprocess.run(["pactl", f"set-default-{what}", name], env=environment, check=True)
        yield environment


@pytest.fixture
def firefox(tmp_path: Path, sound: dict[str, str]) -> Iterator[Firefox]:
    profile = tmp_path / "profile"
    profile.mkdir()
    lines = [f'user_pref("{key}", {json.dumps(value)});' for key, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    port = free_port()
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile)]
    with (
        _running([*command, "--remote-debugging-port", str(port), "about:blank"], sound),
        _once_there(f"ws://127.0.0.1:{port}/session") as socket,
    ):
        yield Firefox(socket)


@over_loopback
def test_firefox_hears_types_and_plays(
    server: KaiwaServer,
    owner_state: object,
    firefox: Firefox,
    sound: dict[str, str],
    tmp_path: Path,
) -> None:
    recording = write_recording(tmp_path / "japanese.wav", japanese(JAPANESE))
    root = "document.documentElement.dataset"
    firefox.open(server.url)
    firefox.click("register-toggle")
    firefox.fill("signin-name", "狐")
    firefox.fill("signin-password", PASSWORD)
    firefox.click("signin-submit")
    firefox.click("new-talk")
    firefox.wait_for(f"{root}.stream === 'live'")
    firefox.click("mic")
    firefox.wait_for(f"['listening', 'hearing'].includes({root}.micState) && {root}.transport")
    with _running(["paplay", f"--device={VOICE}", str(recording)], sound):
        firefox.wait_for_utterance("天気")
    firefox.click("mic")
    firefox.wait_for(f"{root}.micState === 'asleep'", MODEL_MS)
    assert firefox.run(f"[{root}.source, {root}.transport]") == ["pcm", "websocket"]
    firefox.fill("message-input", "こんにちは、と言って。")
    firefox.click("send")
    firefox.wait_for_utterance("と言って")
    firefox.click("ask")
    firefox.wait_for(f"{root}.played", MODEL_MS)
    for width in (1280, 360):
        firefox.resize(width, 740)
        firefox.wait_for("document.documentElement.scrollWidth <= innerWidth")


@contextmanager
def _running(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _once_there(url: str) -> ClientConnection:
    until = time.monotonic() + ANSWER_S
    while True:
        try:
            return connect(url, max_size=None, compression=None)
        except (OSError, WebSocketException):
            assert time.monotonic() < until, "Firefox did not come"
            time.sleep(0.2)
