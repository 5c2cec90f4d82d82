"""Tokens, and which pages may ask."""

from __future__ import annotations

import socket
import time
from contextlib import nullcontext
from types import SimpleNamespace

import jwt
import pytest
from starlette.requests import HTTPConnection

from kaiwa.domain.ids import SessionId, UserId
from kaiwa.domain.talk import User
from kaiwa.errors import Forbidden, NotSignedIn, TooManyTries
from kaiwa.web import attempts as trying
from kaiwa.web.attempts import (
    ACCOUNT_BURST,
    ADDRESS_BURST,
    ANYWHERE_BURST,
    REFUSALS_BURST,
    Attempts,
)
from kaiwa.web.security import (
    SESSION_LIFETIME_S,
    Site,
    Tokens,
    login_code_digest,
    new_login_code,
)

MARI = User(id=UserId("mari"), name="まり")
SESSION = SessionId("session")
KEY = b"k" * 32
PLAIN = Site(8600, secure=False)
SECURE = Site(8600, secure=True)
PROXIED = Site(8600, secure=False, proxy_origin="https://talk.example")


def test_a_login_code_is_kept_as_its_digest_alone() -> None:
    code = new_login_code()
    assert code != new_login_code() and len(code) >= 43
    assert code.encode() not in login_code_digest(code)
    assert login_code_digest(code) == login_code_digest(code)


def test_a_token_says_whose_session_it_is() -> None:
    tokens = Tokens(KEY)
    assert tokens.read_access(tokens.access(MARI, SESSION, 60)) == SESSION
    assert tokens.read_refresh(tokens.refresh(SESSION, 7)) == (SESSION, 7)


def test_a_token_is_good_for_one_thing() -> None:
    tokens = Tokens(KEY)
    with pytest.raises(NotSignedIn):
        tokens.read_access(tokens.refresh(SESSION, 7))
    with pytest.raises(NotSignedIn):
        tokens.read_refresh(tokens.access(MARI, SESSION, 60))


def claims(**changes: object) -> dict[str, object]:
    given = {"sid": "session", "aud": "access", "exp": int(time.time()) + 60, **changes}
    return {name: value for name, value in given.items() if value is not None}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        Tokens(b"another key" * 3).access(MARI, SESSION, 60),
        jwt.encode(claims(exp=int(time.time()) - 1), KEY, "HS256"),
        jwt.encode(claims(exp=None), KEY, "HS256"),
        jwt.encode(claims(sid=None), KEY, "HS256"),
        jwt.encode(claims(aud=None), KEY, "HS256"),
        jwt.encode(claims(), KEY * 2, "HS512"),
        jwt.encode(claims(), "", "none"),
        Tokens(KEY).access(MARI, SESSION, 60)[:-4] + "AAAA",
    ],
    ids=[
        *("empty", "no token", "garbage", "another key", "too old", "endless"),
        *("nobody", "good for nothing", "another algorithm", "no algorithm", "changed"),
    ],
)
def test_a_token_that_is_not_ours_signs_nobody_in(token: str) -> None:
    with pytest.raises(NotSignedIn):
        Tokens(KEY).read_access(token)


def test_a_token_ends() -> None:
    for use, token, lifetime_s in (
        ("access", Tokens(KEY).access(MARI, SESSION, 60), 60),
        ("refresh", Tokens(KEY).refresh(SESSION, 0), SESSION_LIFETIME_S),
    ):
        values = jwt.decode(token, KEY, ["HS256"], audience=use)
        assert values["exp"] - values["iat"] == lifetime_s


@pytest.mark.parametrize(
    ("site", "name", "secure"),
    [
        (PLAIN, "kaiwa-8600", False),
        (SECURE, "__Host-kaiwa-8600", True),
        (PROXIED, "__Host-kaiwa-443", True),
        (Site(8601, secure=False, proxy_origin="http://talk.lan:81"), "kaiwa-81", False),
    ],
)
def test_the_cookie_is_of_the_port_that_browsers_see_and_of_this_host_where_it_can(
    site: Site, name: str, secure: bool
) -> None:
    assert (site.cookie_name, site.cookie_secure) == (name, secure)


HOSTS = [
    ("localhost:8600", True),
    ("LOCALHOST", True),
    ("127.0.0.1:8600", True),
    ("192.168.1.7:8600", True),
    ("[::1]:8600", True),
    (f"{socket.gethostname()}.local:8600", True),
    ("kaiwa.lan", True),
    ("talk.example", True),
    ("rebound.example", False),
    ("localhost.evil.example", False),
    ("127.0.0.1.evil.example", False),
    ("localhost@evil.example", False),
    ("[::1", False),
    ("", False),
]


@pytest.mark.parametrize(("host", "known"), HOSTS)
def test_a_host_is_one_that_this_server_goes_by(host: str, known: bool) -> None:
    site = Site(8600, False, "https://talk.example", ("kaiwa.lan",))
    if known:
        site.check_host({"host": host})
    else:
        with pytest.raises(Forbidden, match="KAIWA_ALLOWED_HOSTS"):
            site.check_host({"host": host})


def test_no_host_at_all_is_refused() -> None:
    with pytest.raises(Forbidden):
        PLAIN.check_host({})


ORIGINS = [
    (PLAIN, "http://127.0.0.1:8600", True),
    (PLAIN, "https://127.0.0.1:8600", False),
    (PLAIN, "http://127.0.0.1:8601", False),
    (PLAIN, "http://localhost:8600", False),
    (PLAIN, "http://127.0.0.1", False),
    (PLAIN, "null", False),
    (PLAIN, None, False),
    (SECURE, "https://127.0.0.1:8600", True),
    (SECURE, "http://127.0.0.1:8600", False),
    (PROXIED, "https://talk.example", True),
    (PROXIED, "https://talk.example.evil.example", False),
    (PROXIED, "http://127.0.0.1:8600", False),
]


@pytest.mark.parametrize(("site", "origin", "ours"), ORIGINS)
def test_what_changes_something_comes_from_our_own_page(
    site: Site, origin: str | None, ours: bool
) -> None:
    headers = {"host": "127.0.0.1:8600"} | ({} if origin is None else {"origin": origin})
    for method in ("GET", "HEAD", "OPTIONS"):
        site.check_origin(method, headers)
    for method in ("POST", "PUT", "PATCH", "DELETE", "post", "ANYTHING"):
        if ours:
            site.check_origin(method, headers)
        else:
            with pytest.raises(Forbidden):
                site.check_origin(method, headers)
    if ours:
        site.check_websocket_origin(headers)
    else:
        with pytest.raises(Forbidden):
            site.check_websocket_origin(headers)


def asking(address: str, *headers: tuple[bytes, bytes]) -> HTTPConnection:
    return HTTPConnection({"type": "http", "client": (address, 1), "headers": list(headers)})


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
def test_a_house_has_its_tries_and_its_neighbours_have_theirs(
    first: str, second: str, together: bool
) -> None:
    attempts = Attempts(PLAIN)

    def takes(address: str) -> None:
        attempts.take(asking(address))

    for _ in range(ADDRESS_BURST):
        takes(first)
    with pytest.raises(TooManyTries) if together else nullcontext():
        takes(second)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No try is given back with time."""
    monkeypatch.setattr(trying, "time", SimpleNamespace(monotonic=lambda: 0.0))


@pytest.mark.usefixtures("at_once")
def test_a_strangers_tries_do_not_keep_an_accounts_user_out() -> None:
    attempts = Attempts(PLAIN)
    for _ in range(ACCOUNT_BURST):
        attempts.take(asking("192.0.2.1"), "Mari")
    with pytest.raises(TooManyTries):
        attempts.take(asking("192.0.2.1"), "mari ")
    attempts.take(asking("192.0.2.2"), "mari")


@pytest.mark.usefixtures("at_once")
def test_strangers_at_many_addresses_have_so_many_tries_together() -> None:
    attempts = Attempts(PLAIN)
    for n in range(ANYWHERE_BURST):
        attempts.take(asking(f"198.51.100.{n}"), "mari")
    with pytest.raises(TooManyTries):
        attempts.take(asking("192.0.2.2"), "mari")


@pytest.mark.usefixtures("at_once")
def test_who_is_refused_without_end_fills_no_log() -> None:
    attempts = Attempts(PLAIN)
    told = [attempts.tell_refusal("192.0.2.1") for _ in range(1_000)]
    assert told.count(True) == REFUSALS_BURST
    assert attempts.tell_refusal("192.0.2.2")


def test_an_address_is_what_the_proxy_says_and_nothing_else() -> None:
    forwarded = (b"x-forwarded-for", b"203.0.113.9, 192.0.2.7")
    assert Attempts(PLAIN).address(asking("127.0.0.1", forwarded)) == "127.0.0.1"
    assert Attempts(PROXIED).address(asking("127.0.0.1", forwarded)) == "192.0.2.7"
    words = (b"x-forwarded-for", "ひみつ\n".encode())
    assert Attempts(PROXIED).address(asking("127.0.0.1", words)) == ""
