"""Wake-ups by NATS, for sites that outgrow NOTIFY: one connection per process, a subject per talk.

Rows stay the truth: what is lost while NATS is away, readers find by the slow timer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Self

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error

from kaiwa.domain.ids import TalkId
from kaiwa.errors import SetupError

CONNECT_TIMEOUT_S: Final = 5
RETRY_S: Final = 1
PROOF_INTERVAL_S: Final = 5  # a server that died silently is noticed after two of them
FLUSH_TIMEOUT_S: Final = 5
PENDING: Final = 1_000  # messages of one talk not yet handed to its readers; then they are dropped
_AWAY: Final = (Error, OSError, TimeoutError)

log = structlog.get_logger()


class NatsBus:
    """`ports.wakeup.Bus`; open it with `run`. A server that is away is waited for."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = Client()
        self._readers: dict[TalkId, set[Callable[[str], None]]] = {}
        self._subscriptions: dict[TalkId, Subscription] = {}
        self._lock = asyncio.Lock()  # one change of a talk's subscription at a time

    @classmethod
    @asynccontextmanager
    async def run(cls, url: str) -> AsyncIterator[Self]:
        bus = cls(url)
        async with asyncio.TaskGroup() as tasks:
            connecting = tasks.create_task(bus._connect())
            await asyncio.wait([connecting], timeout=CONNECT_TIMEOUT_S)
            try:
                yield bus
            finally:
                connecting.cancel()
                with contextlib.suppress(*_AWAY):
                    await bus._client.close()

    async def send(self, talk: TalkId, payload: str) -> None:
        if not self._client.is_connected:
            return  # kept for later it would be stale
        with contextlib.suppress(*_AWAY):
            await self._client.publish(_subject(talk), payload.encode())

    async def listen(self, talk: TalkId, on_payload: Callable[[str], None]) -> None:
        async with self._lock:
            readers = self._readers.setdefault(talk, set())
            readers.add(on_payload)
            try:
                if talk not in self._subscriptions:
                    await self._subscribe(talk)
            except BaseException:
                await self._drop(talk, on_payload)  # nobody will unlisten
                raise

    async def unlisten(self, talk: TalkId, on_payload: Callable[[str], None]) -> None:
        self._readers.get(talk, set()).discard(on_payload)  # at once: what follows may be cancelled
        async with self._lock:
            await self._drop(talk, on_payload)

    async def answers(self) -> None:
        """Raises SetupError when no server answers."""
        if not self._client.is_connected:
            raise SetupError("no NATS server answers there")

    async def _drop(self, talk: TalkId, on_payload: Callable[[str], None]) -> None:
        readers = self._readers.get(talk, set())
        readers.discard(on_payload)
        if readers:
            return
        self._readers.pop(talk, None)
        subscription = self._subscriptions.pop(talk, None)
        if subscription is not None:
            with contextlib.suppress(*_AWAY):
                await subscription.unsubscribe()

    async def _subscribe(self, talk: TalkId) -> None:
        """Subscribe now, or leave it to the connection that comes, which wakes all readers."""
        if not self._client.is_connected:
            return

        async def on_message(message: Msg) -> None:
            payload = message.data.decode(errors="replace")
            for on_payload in tuple(self._readers.get(talk, ())):
                on_payload(payload)

        with contextlib.suppress(*_AWAY):
            self._subscriptions[talk] = await self._client.subscribe(
                _subject(talk), cb=on_message, pending_msgs_limit=PENDING
            )
            await self._client.flush(FLUSH_TIMEOUT_S)  # the server has it: listening has begun

    async def _connect(self) -> None:
        while True:
            try:
                await self._client.connect(
                    self._url,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    reconnect_time_wait=RETRY_S,
                    max_reconnect_attempts=-1,
                    ping_interval=PROOF_INTERVAL_S,
                    disconnected_cb=self._on_lost,
                    reconnected_cb=self._on_back,
                    error_cb=_on_error,
                )
                break
            except _AWAY:
                await asyncio.sleep(RETRY_S)
        await self._on_back()

    async def _on_lost(self) -> None:
        if not self._client.is_closed:  # by us
            log.warning("nats_connection_lost")

    async def _on_back(self) -> None:
        """Whatever was sent meanwhile is lost: listen to all talks, then wake their readers."""
        log.info("nats_connected")
        async with self._lock:
            for talk in tuple(self._readers):
                if talk not in self._subscriptions:
                    await self._subscribe(talk)
            with contextlib.suppress(*_AWAY):
                await self._client.flush(FLUSH_TIMEOUT_S)
        for readers in self._readers.values():
            for on_payload in tuple(readers):
                on_payload("")


def _subject(talk: TalkId) -> str:
    return f"kaiwa.talks.{talk}"


async def _on_error(error: Exception) -> None:
    log.warning("nats_error", kind=type(error).__name__)
