"""Who is asking: tokens, the cookie, and whether this page may ask at all."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import jwt

from kaiwa.domain.ids import SessionId
from kaiwa.domain.talk import User
from kaiwa.errors import Forbidden, NotSignedIn

ACCESS_LIFETIME_S: Final = 15 * 60
SESSION_LIFETIME_S: Final = 30 * 24 * 3600
"""How long a session lasts that nobody uses."""
LONGEST_SESSION_S: Final = 180 * 24 * 3600
"""How long one lasts that is used: whoever found a device signs in no more then."""
CODE_LIFETIME_S: Final = 60
_ALGORITHM: Final = "HS256"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def new_login_code() -> str:
    """A one-time code; only its digest is stored."""
    return secrets.token_urlsafe(32)


def login_code_digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()


class Tokens:
    """JWTs signed with the key that all processes share; `aud` says what they are good for."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def access(self, user: User, session: SessionId, lifetime_s: int) -> str:
        return self._signed("access", session, lifetime_s, sub=user.id, name=user.name)

    def refresh(self, session: SessionId, rotation: int) -> str:
        return self._signed("refresh", session, SESSION_LIFETIME_S, rotation=rotation)

    def read_access(self, token: str) -> SessionId:
        """Raises NotSignedIn."""
        return SessionId(self._read("access", token)["sid"])

    def read_refresh(self, token: str) -> tuple[SessionId, int]:
        """The session and the token's number in it. Raises NotSignedIn."""
        claims = self._read("refresh", token, "rotation")
        return SessionId(claims["sid"]), int(claims["rotation"])

    def _signed(self, use: str, session: SessionId, lifetime_s: int, **claims: object) -> str:
        now = int(time.time())
        given = {"aud": use, "sid": session, "iat": now, "exp": now + lifetime_s, **claims}
        return jwt.encode(given, self._key, algorithm=_ALGORITHM)

    def _read(self, use: str, token: str, *needed: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                audience=use,
                options={"require": ["sid", "aud", "exp", *needed]},
            )
        except jwt.InvalidTokenError as error:
            raise NotSignedIn("the token is not valid; sign in again") from error


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
        """Carries the port that browsers see, which all processes behind a proxy share: Chromium
        sends cookies to every port of a host."""
        name = (
            f"kaiwa-{urlsplit(self.proxy_origin).port or 443 if self.proxy_origin else self.port}"
        )
        return f"__Host-{name}" if self.cookie_secure else name

    @property
    def cookie_secure(self) -> bool:
        return self.secure or self.proxy_origin.startswith("https://")

    def set_cookie(self, token: str, lifetime_s: int = SESSION_LIFETIME_S) -> str:
        """The Set-Cookie header; a lifetime of 0 takes the cookie away."""
        secure = "; Secure" if self.cookie_secure else ""
        return (
            f"{self.cookie_name}={token}; Path=/; Max-Age={lifetime_s}; HttpOnly; SameSite=strict"
            f"{secure}"
        )

    def check_host(self, headers: Mapping[str, str]) -> None:
        """Against DNS rebinding. Raises Forbidden for a name this server does not go by."""
        host = _host_name(headers.get("host", ""))
        if not self._known(host):
            raise Forbidden("this server does not go by that name; add it to KAIWA_ALLOWED_HOSTS")

    def check_origin(self, method: str, headers: Mapping[str, str]) -> None:
        """For cookie-signed requests that change something. Raises Forbidden."""
        if method.upper() not in _SAFE_METHODS and headers.get("origin") != self.origin(headers):
            raise Forbidden("this request does not come from this server's own page")

    def check_websocket_origin(self, headers: Mapping[str, str]) -> None:
        """For cookie-signed WebSockets, which browsers open to anybody. Raises Forbidden."""
        if headers.get("origin") != self.origin(headers):
            raise Forbidden("this WebSocket does not come from this server's own page")

    def origin(self, headers: Mapping[str, str]) -> str:
        """Of this server's own page, for whoever sent these headers."""
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
