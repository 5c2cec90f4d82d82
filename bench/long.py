"""One capture that does not end: whether memory grows, and whether its times stay right.

    python -m bench.long [--speech DIR] [--only NAME] [--minutes 120]

Starts a `kaiwa serve` of its own and says one recording again and again in one upload, with
silence behind each time (`bench.asr` has the recordings), as fast as kaiwa takes it: several times
faster than real time. What is said in each repetition should be what was said in the first, as
long after its beginning.

memory   Resident, in MB, of the server's process and of its children, at the end of each row.
drift    The worst difference between when an utterance began or ended in its repetition and when
         it did in the first one, in ms.
changed  Utterances of other words than in the first repetition, or at another place.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from bench.asr import from_manifest, synthesised
from bench.server import L16, read, serving, until
from kaiwa.domain.audio import SAMPLE_RATE, Samples

ROWS = 12
BLOCK = SAMPLE_RATE // 2
SAME_MS = 1_000
"""Utterances that begin farther apart are not the same one."""


@dataclass(frozen=True)
class Said:
    """An utterance, in milliseconds from the beginning of its repetition."""

    begin: int
    end: int
    text: str


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--speech", type=Path, default=os.environ.get("KAIWA_SPEECH_DIR"))
    parser.add_argument("--only", default="", help="recordings whose name has this in it")
    parser.add_argument("--minutes", type=float, default=120.0)
    given = parser.parse_args()
    sounds = from_manifest(Path(given.speech)) if given.speech else synthesised()
    name, language, _, sound = next(each for each in sounds if given.only in each[0])
    times = max(2, round(given.minutes * 60 * SAMPLE_RATE / len(sound)))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kaiwa-bench-") as folder:
        async with serving(Path(folder)) as kaiwa, kaiwa.client() as http:
            talk = (await http.post("/talks", json={"language": language})).json()["id"]
            async with http.stream("GET", f"/talks/{talk}/stream", timeout=None) as response:
                events = read(response)
                await until(events, "ready")
                async with asyncio.TaskGroup() as tasks:
                    table = tasks.create_task(
                        follow(events, kaiwa.process.pid, len(sound) * 1000 // SAMPLE_RATE, times)
                    )
                    answer = await http.post(
                        f"/talks/{talk}/stream",
                        content=repeated(sound, times),
                        headers=L16,
                        timeout=None,
                    )
                    answer.raise_for_status()
                    await http.post(f"/talks/{talk}/messages", json={"text": "."})
    console = Console(width=100)
    console.print(f"{name}, {times} times")
    console.print(table.result())
    console.print(f"{(time.monotonic() - began) / 60:.0f} minutes in all")


async def repeated(sound: Samples, times: int) -> AsyncIterator[bytes]:
    for _ in range(times):
        for start in range(0, len(sound), BLOCK):
            yield sound[start : start + BLOCK].astype("<i2").tobytes()


async def follow(
    events: AsyncIterator[dict[str, Any]], pid: int, period_ms: int, times: int
) -> Table:
    """What is said, up to a typed message, a row for each part of it."""
    table = Table(
        "minutes", "utterances", "memory, server", "children", "drift", "changed", box=None
    )
    first: list[Said] = []
    zero = shown = drift = changed = utterances = 0
    async for event in events:
        if event["type"] != "utterance.final":
            continue
        over = event["capture"] is None
        zero = zero or event["started_ms"]
        number, begin = divmod(event["started_ms"] - zero + SAME_MS, period_ms)
        row = ROWS * (times if over else number) // times
        if row > shown:
            minutes = row * times // ROWS * period_ms / 60_000
            table.add_row(f"{minutes:.0f}", str(utterances), *memory(pid), str(drift), str(changed))
            shown, drift, changed, utterances = row, 0, 0, 0
        if over:
            break
        said = Said(begin, begin + event["ended_ms"] - event["started_ms"], event["text"])
        utterances += 1
        if not number:
            first.append(said)
            continue
        same = min(first, key=lambda each: abs(each.begin - said.begin))
        apart = max(abs(same.begin - said.begin), abs(same.end - said.end))
        if same.text != said.text or abs(same.begin - said.begin) > SAME_MS:
            changed += 1
        else:
            drift = max(drift, apart)
    return table


def memory(pid: int) -> tuple[str, str]:
    server = psutil.Process(pid)
    children = sum(each.memory_info().rss for each in server.children(recursive=True))
    return f"{server.memory_info().rss / 1e6:.0f}", f"{children / 1e6:.0f}"


if __name__ == "__main__":
    asyncio.run(main())
