"""A whole kaiwa process on loopback: real PostgreSQL, real HTTP server, fakes for the engines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import uvicorn

from kaiwa.adapters.memory.asr import EnergyVoiceActivity, FakeRecogniser
from kaiwa.adapters.memory.llm import ScriptedChatModel
from kaiwa.adapters.memory.tts import ToneVoices
from kaiwa.adapters.postgres.database import Database
from kaiwa.adapters.pyav_decoder import PyAvDecoder
from kaiwa.app import Engines, assembled
from kaiwa.database import bus_of
from kaiwa.domain.audio import Samples
from kaiwa.http_server import http_server
from kaiwa.pipeline.changing import ChangingRecogniser
from kaiwa.pipeline.voices import VoiceBook
from kaiwa.settings import Settings
from kaiwa.web.application import create_application
from kaiwa.web.security import Site
from kaiwa.web.services import Services
from tests.ports import free_port, until_listening

ServerKind = Literal["granian", "uvicorn"]
WAIT_S = 60.0  # generous: a test that gets here has failed
L16 = "audio/L16;rate=16000;channels=1"


@dataclass
class House:
    """The process, its fakes, and its address."""

    url: str
    services: Services
    recogniser: FakeRecogniser
    chat: ScriptedChatModel
    tones: ToneVoices

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=WAIT_S)

    @asynccontextmanager
    async def guest(self, name: str) -> AsyncIterator[Guest]:
        """Somebody with an account of their own."""
        user = await self.services.accounts.register(name, None)
        async with self.client((await self.services.sessions.begin(user)).access) as http:
            yield Guest(http, user.id, name)


@dataclass
class Guest:
    """A person who speaks the wire protocol."""

    http: httpx.AsyncClient
    id: str
    name: str

    async def new_talk(self, **settings: str) -> str:
        answer = await self.http.post("/talks", json={"language": "ja", **settings})
        assert answer.status_code == 201, answer.text
        talk: str = answer.json()["id"]
        return talk

    async def events(self, talk: str) -> list[dict[str, Any]]:
        answer = await self.http.get(f"/talks/{talk}/events")
        assert answer.status_code == 200, answer.text
        events: list[dict[str, Any]] = answer.json()["events"]
        return events

    async def speak(self, talk: str, samples: Samples, **query: Any) -> httpx.Response:
        return await self.http.post(
            f"/talks/{talk}/stream",
            params=query,
            content=samples.tobytes(),
            headers={"content-type": L16},
        )

    @asynccontextmanager
    async def reading(
        self, talk: str, after: int = 0, path: str = ""
    ) -> AsyncIterator[EventReader]:
        """The talk's stream of events, from a cursor."""
        url = path or f"/talks/{talk}/stream?after={after}"
        async with self.http.stream("GET", url) as response:
            assert response.status_code == 200, (await response.aread()).decode()
            yield EventReader(response)


class EventReader:
    """Reads Server-Sent Events one by one."""

    def __init__(self, response: httpx.Response, wait_s: float = WAIT_S) -> None:
        self._wait_s = wait_s
        self._lines = response.aiter_lines()
        self.seen: list[dict[str, Any]] = []

    async def next(self) -> dict[str, Any]:
        """The next event's data, with its `id` if it has one. Raises StopAsyncIteration."""
        event: dict[str, Any] = {}
        async with asyncio.timeout(self._wait_s):
            while True:
                field, _, value = (await anext(self._lines)).partition(": ")
                if field == "data":
                    event.update(json.loads(value))
                elif field == "id":
                    event["id"] = value
                elif not field and event:
                    self.seen.append(event)
                    return event

    async def until(self, wanted: str | Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read on to an event of that type, or one that fits."""
        while True:
            event = await self.next()
            if event["type"] == wanted if isinstance(wanted, str) else wanted(event):
                return event

    async def rest(self) -> list[dict[str, Any]]:
        """Everything until the server ends the stream."""
        events = []
        while True:
            try:
                events.append(await self.next())
            except StopAsyncIteration:
                return events


@asynccontextmanager
async def house(
    database_url: str, kind: ServerKind = "granian", **settings: Any
) -> AsyncIterator[House]:
    """Run one; several may share a database."""
    chosen = Settings(database_url=database_url, **settings)
    port = free_port()
    recogniser, chat, tones = FakeRecogniser(), ScriptedChatModel(), ToneVoices()
    decoder = PyAvDecoder()
    engines = Engines(
        recogniser=ChangingRecogniser(chosen.recogniser_model, lambda _: recogniser),
        vad=EnergyVoiceActivity,
        decoder=decoder,
        chat=chat,
        voices=VoiceBook([tones]),
        parts={"recogniser": recogniser.ready, "chat model": chat.ready},
    )
    site = Site(port, secure=False)
    async with (
        bus_of(chosen) as bus,
        Database.open(database_url, bus) as database,
        assembled(chosen, site, database, engines) as services,
        _listening(kind, create_application(services), port),
    ):
        try:
            yield House(f"http://127.0.0.1:{port}", services, recogniser, chat, tones)
        finally:
            services.closing.set()
            async with asyncio.timeout(WAIT_S):
                await services.captures.shut_down()
            await decoder.close()


@asynccontextmanager
async def _listening(kind: ServerKind, application: Any, port: int) -> AsyncIterator[None]:
    server: Any
    if kind == "granian":
        server = http_server(application, "127.0.0.1", port)
        run, stop = server.serve, server.stop
    else:
        server = uvicorn.Server(
            uvicorn.Config(
                application,
                port=port,
                log_level="critical",
                lifespan="off",
                ws="websockets-sansio",
            )
        )
        run = server._serve  # `serve` would take over the signal handlers

        def stop() -> None:
            server.should_exit = True

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run())
        await until_listening(port)
        try:
            yield
        finally:
            stop()
