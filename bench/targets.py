"""The servers under test: a recording in, what they showed and when out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from bench.alignment import Step, Timed
from bench.server import L16, Microphone, Server, listener, read, until
from kaiwa.adapters.asr_tcp import parse
from kaiwa.domain.audio import SAMPLE_RATE, Samples
from kaiwa.policy.agreement import join

PATIENCE_S = 60.0  # for a server that is still computing when the sound is over


@dataclass(frozen=True)
class Recording:
    """`runs` are where a voice is, in seconds; `ends` where kaiwa's rule ends an utterance: its
    last voice, and when the pause was long enough. `spoken` and `offline` come from the offline
    decode: when each character was spoken, and the text."""

    name: str
    language: str
    text: str
    sound: Samples
    runs: list[tuple[float, float]]
    ends: list[tuple[float, float]]
    spoken: list[Timed]
    offline: str

    @property
    def seconds(self) -> float:
        return len(self.sound) / SAMPLE_RATE


class Target(Protocol):
    """A server under test; `pid` if it is known."""

    name: str
    pid: int | None

    def takes(self, language: str) -> bool: ...
    async def hear(self, recording: Recording) -> list[Step]: ...


class Kaiwa:
    """The whole path: sound up over HTTP, events down over SSE, each recording a talk."""

    name = "kaiwa"

    def __init__(self, server: Server, http: httpx.AsyncClient) -> None:
        self.pid: int | None = server.process.pid
        self._http = http

    def takes(self, language: str) -> bool:
        return True

    async def hear(self, recording: Recording) -> list[Step]:
        talk = (await self._http.post("/talks", json={"language": recording.language})).json()
        path = f"/talks/{talk['id']}"
        microphone = Microphone(recording.sound)
        async with self._http.stream("GET", f"{path}/stream") as response:
            events = read(response)
            await until(events, "ready")
            # The capture opens now; utterances tell their borders from the talk's creation.
            zero_ms = 1000 * (time.time() - datetime.fromisoformat(talk["created_at"]).timestamp())
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(_watch(events, microphone, zero_ms))
                sound = aiter(microphone)
                answer = await self._http.post(f"{path}/stream", content=sound, headers=L16)
                answer.raise_for_status()
                await self._http.post(f"{path}/messages", json={"text": "."})  # behind all finals
        return watching.result()


async def _watch(
    events: AsyncIterator[dict[str, Any]], microphone: Microphone, zero_ms: float
) -> list[Step]:
    """What is shown of a capture, up to a typed message."""
    steps: list[Step] = []
    async for event in events:
        at = microphone.now
        begin = (event.get("started_ms", 0) - zero_ms) / 1000
        match event:
            case {"type": "utterance.partial", "utterance_id": name, "stable": stable}:
                steps.append(Step(at, name, stable, event["tentative"], begin=begin))
            case {"type": "utterance.final", "capture": None}:
                break
            case {"type": "utterance.final", "utterance_id": name, "text": text}:
                end = (event["ended_ms"] - zero_ms) / 1000
                steps.append(Step(at, name, text, final=True, begin=begin, end=end))
            case {"type": "utterance.withdrawn", "utterance_id": name}:
                steps.append(Step(at, name, ""))
    return steps


class OnlineServer:
    """Anything that speaks whisper_online_server's wire: s16le in, `beg_ms end_ms text` out."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        if address.scheme != "tcp" or not address.hostname or not address.port:
            raise SystemExit(f"--server must be tcp://host:port[/language], not {url}")
        self.name = f"{address.hostname}:{address.port}"
        self._host, self._port = address.hostname, address.port
        self._language = address.path.strip("/")
        here = address.hostname in ("127.0.0.1", "::1", "localhost")
        self.pid = listener(address.port) if here else None

    def takes(self, language: str) -> bool:
        return self._language in ("", language)

    async def hear(self, recording: Recording) -> list[Step]:
        """What came before the server ended, died or fell silent; all of it is one utterance."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        microphone = Microphone(recording.sound)
        steps: list[Step] = []
        text = ""
        sending = asyncio.create_task(_send(microphone, writer))
        try:
            with suppress(OSError):  # a time-out is one too
                async with asyncio.timeout(recording.seconds + PATIENCE_S):
                    async for line in reader:
                        text = join(text, parse(line.decode()).text)
                        steps.append(Step(microphone.now, "", text, end=recording.runs[-1][1]))
        finally:
            sending.cancel()
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await sending
        if steps:
            steps[-1] = replace(steps[-1], final=True)
        return steps


async def _send(microphone: Microphone, writer: asyncio.StreamWriter) -> None:
    async for block in microphone:
        writer.write(block)
        await writer.drain()
    writer.write_eof()
