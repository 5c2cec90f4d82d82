"""Passwords: which ones may be chosen, and how they are kept."""

from __future__ import annotations

import gzip
import secrets
import unicodedata
from functools import cache
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from kaiwa.errors import BadRequest, WeakPassword

MIN_PASSWORD: Final = 8
MAX_PASSWORD: Final = 256
OF_THIS_SERVER: Final = ("kaiwa", "会話")
"""Words that, like its user's name, are no secret here."""
_COMMON: Final = Path(__file__).with_name("common_passwords.txt.gz")

_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_hex(8))


def hash_password(password: str, name: str) -> str:
    """Argon2id of a new password for the user of that name. Takes ~50 ms of CPU.

    Raises BadRequest for one that is too short or too long, WeakPassword for one that others would
    try first.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise BadRequest(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    if _folded(password) in _common():
        raise WeakPassword("this password is known from breaches; choose another one")
    if _says_only(password, (name, *OF_THIS_SERVER)):
        raise WeakPassword("this password is no more than your name or this server's; add to it")
    return _hasher.hash(password)


def password_matches(password_hash: str | None, password: str) -> bool:
    """Takes as long for somebody who does not exist (`password_hash` None)."""
    try:
        return _hasher.verify(password_hash or _NOBODY, password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _common() -> frozenset[str]:
    with gzip.open(_COMMON, "rt", encoding="utf-8") as lines:
        return frozenset(line.rstrip("\n") for line in lines if not line.startswith("# "))


def _says_only(password: str, words: tuple[str, ...]) -> bool:
    """Whether nothing is left of its letters without these words."""
    letters = said = _letters(password)
    for word in words:
        if known := _letters(word):
            letters = letters.replace(known, "")
    return bool(said) and not letters


def _letters(text: str) -> str:
    return "".join(sign for sign in _folded(text) if sign.isalpha())


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
