"""Who is asking: passwords, tokens, the cookie, and whether this page may ask at all."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from kaiwa.domain.ids import UserId
from kaiwa.domain.talk import User
from kaiwa.errors import BadRequest, Forbidden, NotSignedIn

TOKEN_LIFETIME_S: Final = 30 * 24 * 3600
CODE_LIFETIME_S: Final = 60
MIN_PASSWORD: Final = 8
MAX_PASSWORD: Final = 256
_ALGORITHM: Final = "HS256"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_hex(8))


def hash_password(password: str) -> str:
    """Argon2id. Raises BadRequest for one that is too short or too long. Takes ~50 ms of CPU."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise BadRequest(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    return _hasher.hash(password)


def password_matches(password_hash: str | None, password: str) -> bool:
    """Takes as long for somebody who does not exist (`password_hash` None)."""
    try:
        return _hasher.verify(password_hash or _NOBODY, password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def new_login_code() -> str:
    """A one-time code; only its digest is stored."""
    return secrets.token_urlsafe(32)


def login_code_digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()


class Tokens:
    """JWTs signed with the key that all processes share."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, user: User) -> str:
        now = int(time.time())
        claims = {"sub": user.id, "name": user.name, "iat": now, "exp": now + TOKEN_LIFETIME_S}
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def read(self, token: str) -> User:
        """Raises NotSignedIn."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                options={"require": ["sub", "name", "exp"]},
            )
        except jwt.InvalidTokenError as error:
            raise NotSignedIn("the token is not valid; sign in again") from error
        return User(id=UserId(claims["sub"]), name=claims["name"])


@dataclass(frozen=True, slots=True)
class Site:
    """What this server is called, and so which requests come from its own page.

    `proxy_origin` is what browsers see when a proxy stands in front; else `secure` says whether
    this process speaks TLS itself.
    """

    port: int
    secure: bool
    proxy_origin: str = ""
    allowed_hosts: tuple[str, ...] = ()

    @property
    def cookie_name(self) -> str:
        """Carries the port: Chromium sends cookies to every port of a host."""
        name = f"kaiwa-{self.port}"
        return f"__Host-{name}" if self.cookie_secure else name

    @property
    def cookie_secure(self) -> bool:
        return self.secure or self.proxy_origin.startswith("https://")

    def check_host(self, headers: Mapping[str, str]) -> None:
        """Against DNS rebinding. Raises Forbidden for a name this server does not go by."""
        host = _host_name(headers.get("host", ""))
        if not self._known(host):
            raise Forbidden("this server does not go by that name; add it to KAIWA_ALLOWED_HOSTS")

    def check_origin(self, method: str, headers: Mapping[str, str]) -> None:
        """For cookie-signed requests that change something. Raises Forbidden."""
        if method.upper() not in _SAFE_METHODS and headers.get("origin") != self._origin(headers):
            raise Forbidden("this request does not come from this server's own page")

    def check_websocket_origin(self, headers: Mapping[str, str]) -> None:
        """For cookie-signed WebSockets, which browsers open to anybody. Raises Forbidden."""
        if headers.get("origin") != self._origin(headers):
            raise Forbidden("this WebSocket does not come from this server's own page")

    def _origin(self, headers: Mapping[str, str]) -> str:
        if self.proxy_origin:
            return self.proxy_origin
        scheme = "https" if self.secure else "http"
        return f"{scheme}://{headers.get('host', '')}"

    def _known(self, host: str) -> bool:
        if not host:
            return False
        try:
            ipaddress.ip_address(host)  # an address cannot be rebound
            return True
        except ValueError:
            own = socket.gethostname().lower()
            proxy = urlsplit(self.proxy_origin).hostname or ""
            return host in {"localhost", own, f"{own}.local", proxy, *self.allowed_hosts}


def _host_name(header: str) -> str:
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""
