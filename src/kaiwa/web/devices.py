"""What somebody signed in with, in two words: enough to know one's own devices by."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import HTTPConnection

UNKNOWN: Final = "?"
_LONGEST: Final = 40
_BROWSERS: Final = (
    *(("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet")),
    *(("Firefox", "Firefox"), ("FxiOS", "Firefox"), ("Chrome", "Chrome"), ("CriOS", "Chrome")),
    *(("Safari", "Safari"),),
)
"""Most say that they are others, too: the first that is found is it."""
_SYSTEMS: Final = (
    *(("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("CrOS", "ChromeOS")),
    *(("Windows", "Windows"), ("Mac OS X", "Mac"), ("Linux", "Linux")),
)
_PROGRAM: Final = re.compile(r"[A-Za-z][\w.+-]*")


def device_of(connection: HTTPConnection) -> str:
    """As "Firefox, Android", or a program's own name; the rest of the header is not kept."""
    agent = connection.headers.get("user-agent", "")
    browser = _first(_BROWSERS, agent)
    if not (browser and agent.startswith("Mozilla/")):
        program = _PROGRAM.match(agent)
        return program[0][:_LONGEST] if program else UNKNOWN
    system = _first(_SYSTEMS, agent)
    return f"{browser}, {system}" if system else browser


def _first(known: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for sign, name in known if sign in agent), "")
