"""Passwords: how they are kept, and which ones nobody may choose."""

from __future__ import annotations

import pytest

from kaiwa.errors import BadRequest, WeakPassword
from kaiwa.web.passwords import MAX_PASSWORD, hash_password, password_matches


def test_a_password_matches_itself_and_nothing_else() -> None:
    kept = hash_password("正しい合言葉です", "まり")
    assert kept.startswith("$argon2id$") and "合言葉" not in kept
    assert kept != hash_password("正しい合言葉です", "まり")
    assert password_matches(kept, "正しい合言葉です")
    assert not password_matches(kept, "正しい合言葉です ")


@pytest.mark.parametrize("known", [None, "", "no hash at all"])
def test_where_there_is_no_password_none_matches(known: str | None) -> None:
    assert not password_matches(known, "anything")
    assert not password_matches(known, "")


@pytest.mark.parametrize("password", ["1234567", "x" * (MAX_PASSWORD + 1)])
def test_a_password_has_a_length(password: str) -> None:
    with pytest.raises(BadRequest, match="8 to 256"):
        hash_password(password, "まり")


@pytest.mark.parametrize(
    "password", ["12345678", "Password", "ｐａｓｓｗｏｒｄ", "ILoveYou", "1qaz2wsx"]
)
def test_what_is_known_from_breaches_is_no_password(password: str) -> None:
    with pytest.raises(WeakPassword, match="breaches"):
        hash_password(password, "まり")


@pytest.mark.parametrize(
    ("password", "name"),
    [
        ("kaiwa-2026", "まり"),
        ("会話会話会話会話", "まり"),
        ("まり19870423", "まり"),
        ("Ｋｅｎ!!!!!!", "Ken"),
        ("KenKaiwaKen", "ken"),
    ],
)
def test_a_name_is_no_password(password: str, name: str) -> None:
    with pytest.raises(WeakPassword, match="name"):
        hash_password(password, name)


@pytest.mark.parametrize(
    "password", ["kaiwa de hanasu", "20260112-77", "まりとけんと犬の家", "        "]
)
def test_any_other_is_taken_as_it_is_whatever_it_is_made_of(password: str) -> None:
    kept = hash_password(password, "まり")
    assert password_matches(kept, password)
    assert not password_matches(kept, password.strip() + " ")
