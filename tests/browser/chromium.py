"""The browser of these tests: which Chromium, with which flags and which microphone."""

from __future__ import annotations

import os
import shutil
import wave
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from playwright.sync_api import Browser, Playwright

from kaiwa.domain.audio import SAMPLE_RATE, Samples

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_FAKE_MICROPHONE: Final = "--use-fake-device-for-media-stream"


def launch(playwright: Playwright, *flags: str) -> Browser:
    """A headless Chromium; the test fails where there is none."""
    path = next(filter(None, map(shutil.which, (os.environ.get("CHROMIUM", ""), *_NAMES))), None)
    if path is None:
        pytest.fail(
            "there is no Chromium here: `make test` installs it; or install it yourself, or set "
            "CHROMIUM to its path",
            pytrace=False,
        )
    return playwright.chromium.launch(executable_path=path, args=[*_FLAGS, *flags])


def hearing(recording: Path) -> tuple[str, ...]:
    """Flags for a microphone that gives `recording` from its start each time it is opened."""
    return (
        _FAKE_MICROPHONE,
        f"--use-file-for-fake-audio-capture={recording}%noloop",
        "--use-fake-ui-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
    )


REFUSING: Final = (_FAKE_MICROPHONE, "--use-fake-ui-for-media-stream=deny")
"""Flags for a browser whose user says no to the microphone."""


def write_recording(path: Path, speech: Samples) -> Path:
    """A WAV with a second of silence before the speech and three after it."""
    before, after = np.zeros(SAMPLE_RATE, np.int16), np.zeros(3 * SAMPLE_RATE, np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.concatenate([before, speech, after]).tobytes())
    return path
