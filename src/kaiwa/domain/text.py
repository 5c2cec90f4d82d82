"""Text from engines and other machines, made fit to be stored and sent."""

from __future__ import annotations


def storable(text: str) -> str:
    """Without what PostgreSQL and UTF-8 cannot hold: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode()
