"""How often somebody may try to sign in, by the account they try and by where they come from."""

from __future__ import annotations

import ipaddress
import time
from typing import Final

from starlette.requests import HTTPConnection

from kaiwa.errors import TooManyTries
from kaiwa.policy.throttle import Throttle
from kaiwa.web.security import Site

ACCOUNT_BURST: Final = 10
ACCOUNT_REFILL_S: Final = 30.0
"""Of one account from one address, so that a stranger's tries do not keep its user out."""
ANYWHERE_BURST: Final = 100
ANYWHERE_REFILL_S: Final = 6.0
"""Of one account from all addresses together."""
ADDRESS_BURST: Final = 30
"""A whole household comes from one address."""
ADDRESS_REFILL_S: Final = 10.0
REGISTER_BURST: Final = 100
REGISTER_REFILL_S: Final = 10.0
REFUSALS_BURST: Final = 100
REFUSALS_REFILL_S: Final = 1.0
"""Of refusals that are logged: who asks without end fills no disk."""


class Attempts:
    """One per process: behind N processes somebody has N times the tries."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._by_account = Throttle(ACCOUNT_BURST, ACCOUNT_REFILL_S)
        self._anywhere = Throttle(ANYWHERE_BURST, ANYWHERE_REFILL_S)
        self._by_address = Throttle(ADDRESS_BURST, ADDRESS_REFILL_S)
        self._registering = Throttle(REGISTER_BURST, REGISTER_REFILL_S)
        self._refusals = Throttle(REFUSALS_BURST, REFUSALS_REFILL_S)

    def take(self, connection: HTTPConnection, account: str | None = None) -> None:
        """Before a password is looked at. Raises TooManyTries."""
        now = time.monotonic()
        address = self.address(connection)
        wait_s = self._by_address.take(address, now)
        if account is not None:
            name = _folded(account)
            wait_s = wait_s or self._by_account.take(f"{address} {name}", now)
            wait_s = wait_s or self._anywhere.take(name, now)
        _refuse(wait_s)

    def take_registration(self, connection: HTTPConnection) -> None:
        """Before an account is made. Raises TooManyTries."""
        _refuse(self._registering.take(self.address(connection), time.monotonic()))

    def tell_refusal(self, address: str) -> bool:
        """Whether one more of this address is to be logged."""
        return not self._refusals.take(address, time.monotonic())

    def succeeded(self, connection: HTTPConnection, account: str) -> None:
        address, name = self.address(connection), _folded(account)
        self._by_address.give_back(address)
        self._by_account.give_back(f"{address} {name}")
        self._anywhere.give_back(name)

    def address(self, connection: HTTPConnection) -> str:
        """Where it comes from, an IPv6 one as its /64; behind a proxy, what the proxy says. Empty
        where that is no address."""
        client = connection.client
        host = client.host if client is not None else ""
        if self._site.proxy_origin:
            host = connection.headers.get("x-forwarded-for", host).rpartition(",")[2].strip()
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return ""
        if isinstance(address, ipaddress.IPv4Address):
            return host
        if address.ipv4_mapped:  # as a server of both versions sees it
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))  # a house has a whole /64


def _refuse(wait_s: int) -> None:
    if wait_s:
        raise TooManyTries("too many tries; wait a little", wait_s)


def _folded(account: str) -> str:
    return account.strip().lower()
