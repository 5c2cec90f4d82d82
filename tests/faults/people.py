"""Those who use the site as the page does: they speak, read along, type and ask the agent, and take
up what broke where it broke."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self

import httpx
import numpy as np

from kaiwa.domain.audio import SAMPLE_RATE, Samples
from kaiwa.domain.ids import new_id
from tests.faults import words
from tests.faults.upload import post
from tests.sounds import silence

BLOCK: Final = 1_600  # 100 ms
REQUEST_S: Final = 10.0
SILENCE_S: Final = 8.0  # a page waits 40 s; here somebody speaks all the time
STALLED_S: Final = 15.0  # sound was sent, and nothing of it became durable
HOLDS_S: Final = (1.0, 5.0)  # how long a network lasts that comes and goes
RETRY_S: Final = 0.3
RETRYABLE: Final = (408, 429, 499, 500, 502, 503, 504)


class Person:
    """Somebody with an account and a browser's cookie."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self.http = httpx.AsyncClient(
            base_url=url,
            headers={"origin": url},
            timeout=httpx.Timeout(REQUEST_S, read=SILENCE_S),
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    @classmethod
    async def new(cls, url: str, name: str) -> Self:
        person = cls(url, name)
        answer = await person.ask(
            "POST", "/auth/register", json={"name": name, "password": "x" * 9}
        )
        assert answer.status_code == 201, answer.text
        return person

    async def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        """Again and again until there is an answer that trying again would not change; faults may
        come one upon another, so the scene alone says when that takes too long."""
        while True:
            with suppress(httpx.TransportError, TimeoutError):
                async with asyncio.timeout(REQUEST_S):
                    answer = await self.http.request(method, path, **given)
                if answer.status_code not in RETRYABLE:
                    return answer
            await asyncio.sleep(RETRY_S)

    @property
    def cookie(self) -> str:
        return "; ".join(f"{c.name}={c.value}" for c in self.http.cookies.jar)


@dataclass
class Capture:
    """What was spoken into one capture."""

    id: str
    samples: Samples
    text: str


@dataclass
class Talker:
    """Speaks in real time, one capture after another, and keeps what is not durable. One who
    `strays` walks about where the network ends, and loses it every few seconds."""

    person: Person
    talk: str
    rng: random.Random
    strays: bool
    spoken: list[Capture] = field(default_factory=list)
    resumed: int = 0

    async def run(self, over: asyncio.Event) -> None:
        numbers = itertools.count()
        while not over.is_set():
            capture = self._record(numbers)
            self.spoken.append(capture)
            await self._upload(capture)

    def _record(self, numbers: itertools.count[int]) -> Capture:
        """Some sentences with pauses between them; the last may end with the capture."""
        parts, said = [], []
        for _ in range(self.rng.randint(2, 6)):
            sentence = list(itertools.islice(numbers, self.rng.randint(1, 8)))
            pause_ms = self.rng.choice([500, 700, 1_000, 1_500, 4_000])
            parts += [words.sound(sentence), silence(pause_ms)]
            said += sentence
        if self.rng.random() < 0.3:
            parts.pop()
        return Capture(new_id(), np.concatenate([silence(300), *parts]), words.text(said))

    async def _upload(self, capture: Capture) -> None:
        began = time.monotonic()
        path = f"/talks/{self.talk}/captures/{capture.id}"
        while True:
            offset = await self._durable(path)
            status, answer = await self._attempt(capture, began, offset, path)
            if status == 200:
                return
            conflict = status == 409 and answer["error"]["code"] == "offset_conflict"
            assert status in (0, *RETRYABLE) or conflict, f"{status}: {answer}"
            self.resumed += 1
            await asyncio.sleep(RETRY_S)

    async def _attempt(
        self, capture: Capture, began: float, offset: int, path: str
    ) -> tuple[int, Any]:
        """Status and answer; 0 for a connection that broke, or from which nothing became
        durable."""

        async def live() -> AsyncIterator[bytes]:
            for start in range(offset, len(capture.samples), BLOCK):
                block = capture.samples[start : start + BLOCK]
                ready = began + (start + len(block)) / SAMPLE_RATE
                await asyncio.sleep(max(0.0, ready - time.monotonic()))
                yield block.tobytes()

        url = self.person.http.base_url
        query = f"/talks/{self.talk}/stream?capture={capture.id}&offset={offset}"
        headers = {
            "content-type": "audio/L16;rate=16000;channels=1",
            "cookie": self.person.cookie,
            "origin": str(self.person.http.headers["origin"]),
        }
        sending = asyncio.create_task(post(url.host, url.port or 80, query, headers, live()))
        watching = asyncio.create_task(self._watch(path, offset))
        try:
            holds = self.rng.uniform(*HOLDS_S) if self.strays else None
            both = (sending, watching)
            await asyncio.wait(both, timeout=holds, return_when=asyncio.FIRST_COMPLETED)
            return sending.result() if sending.done() else (0, None)
        except OSError:
            return 0, None
        finally:
            for task in (sending, watching):
                task.cancel()
            await asyncio.wait([sending, watching])

    async def _watch(self, path: str, durable: int) -> None:
        """Until nothing has become durable for a while."""
        moved = time.monotonic()
        while time.monotonic() - moved < STALLED_S:
            await asyncio.sleep(2.0)
            now = await self._durable(path)
            if now > durable:
                durable, moved = now, time.monotonic()

    async def _durable(self, path: str) -> int:
        answer = await self.person.ask("HEAD", path)
        assert answer.status_code in (200, 404), answer.status_code
        return int(answer.headers.get("upload-offset", 0))


@dataclass
class Listener:
    """Reads a talk live, and resumes behind the last event it saw."""

    person: Person
    talk: str
    seen: list[dict[str, Any]] = field(default_factory=list)
    resumed: int = 0

    @property
    def cursor(self) -> int:
        return len(self.seen)

    async def run(self, over: asyncio.Event) -> None:
        while not over.is_set():
            with suppress(httpx.TransportError, TimeoutError):
                await self._read()
            self.resumed += 1
            await asyncio.sleep(RETRY_S)

    async def _read(self) -> None:
        given = {"last-event-id": str(self.cursor)}
        async with self.person.http.stream(
            "GET", f"/talks/{self.talk}/stream", headers=given
        ) as answer:
            assert answer.status_code in (200, *RETRYABLE), answer.status_code
            if answer.status_code != 200:
                return
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                values = json.loads(value) if name == "data" else {}
                if "at" in values and "seq" in values:  # not `ready`
                    assert values["seq"] == self.cursor + 1, (
                        f"{self.person.name} got {values['seq']} behind {self.cursor}"
                    )
                    self.seen.append(values)


@dataclass
class Typist:
    """Types, and calls the agent; an answer that was lost is asked for again by its key."""

    person: Person
    talk: str
    rng: random.Random
    typed: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def run(self, over: asyncio.Event) -> None:
        for n in itertools.count():
            await asyncio.sleep(self.rng.uniform(0.5, 2.0))
            if over.is_set():
                return
            if n % 2:
                await self._type(f"{n} 番目です")
            else:
                await self.ask_the_agent()
                await self._interrupt()

    async def _type(self, text: str) -> None:
        headers = {"idempotency-key": new_id()}
        path = f"/talks/{self.talk}/messages"
        answer = await self.person.ask("POST", path, json={"text": text}, headers=headers)
        assert answer.status_code == 201, answer.text
        self.typed.append(text)

    async def ask_the_agent(self) -> str:
        """The id of the reply that this began, or that was going on."""
        headers = {"idempotency-key": new_id()}
        answer = await self.person.ask("POST", self._reply, headers=headers)
        assert answer.status_code == 202, answer.text
        reply_id: str = answer.json()["reply_id"]
        self.asked.append(reply_id)
        return reply_id

    async def _interrupt(self) -> None:
        if self.rng.random() < 0.3:
            await asyncio.sleep(self.rng.uniform(0.1, 1.0))
            answer = await self.person.ask("DELETE", self._reply)
            assert answer.status_code == 204, answer.text

    @property
    def _reply(self) -> str:
        return f"/talks/{self.talk}/reply"
