"""Servers on this machine: no proxy may come between."""

from __future__ import annotations

from urllib.parse import urlsplit

_HOSTS = {"localhost", "127.0.0.1", "::1"}


def is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in _HOSTS
