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
import re
import statistics
import tempfile
from pathlib import Path

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from bench.server import L16, QUESTIONS, Microphone, Server, read, serving, spoken, until
from kaiwa.domain.audio import SAMPLE_RATE, Samples

TAIL_S = 1.2  # silence behind each question, as a microphone would give
STAGES = ("words", "final", "token", "clause", "clip")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--language", choices=sorted(QUESTIONS), action="append")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="kaiwa-bench-") as folder:
        async with serving(Path(folder)) as server:
            memory(console, server)
            table = Table("language", "question", *STAGES, box=None)
            for language in given.language or sorted(QUESTIONS):
                await measure(table, server, language, given.rounds)
            console.print(table)


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
    async with server.client() as http:
        for _ in range(rounds):
            for question in QUESTIONS[language]:
                row = await turn(http, language, spoken(question, language, TAIL_S))
                table.add_row(language, question, *(f"{row[stage]:.2f}" for stage in STAGES))
                rows.append(row)
    medians = (f"{statistics.median(row[stage] for row in rows):.2f}" for stage in STAGES)
    table.add_row(language, "median", *medians, style="bold")


async def turn(http: httpx.AsyncClient, language: str, sound: Samples) -> dict[str, float]:
    """One question and its answer in a talk of its own; seconds by stage."""
    talk = (await http.post("/talks", json={"language": language})).json()["id"]
    row: dict[str, float] = {}
    async with http.stream("GET", f"/talks/{talk}/stream") as response:
        events = read(response)
        await until(events, "ready")
        microphone = Microphone(sound)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                http.post(f"/talks/{talk}/stream", content=aiter(microphone), headers=L16)
            )
            while (event := await anext(events))["type"] != "utterance.final":
                if event["type"] == "utterance.partial":
                    row.setdefault("words", microphone.now)
            row["final"] = microphone.now - (len(sound) / SAMPLE_RATE - TAIL_S)
            row.setdefault("words", float("nan"))
        await http.post(f"/talks/{talk}/reply")
        timing = (await until(events, "reply.finished"))["timing"]
        row |= {stage: timing[f"first_{stage}"] / 1000 for stage in ("token", "clause", "clip")}
    return row


if __name__ == "__main__":
    asyncio.run(main())
