"""How long the answer takes when nobody presses a button, and how often it comes too early.

    python -m bench.turns [--language ja] [--rounds 1] [--questions DIR] [--no-pauses]
                         [--no-overs] [--picture FILE.png]

Starts a `kaiwa serve` of its own with the default models and speaks the wire protocol to it: each
question is streamed in real time into a hands-free talk (L16, 50-ms blocks, each sent when its
last sample was spoken). Questions are spoken by the project's own voices; `DIR/manifest.jsonl`
(one `{"file", "language", "text"}` a line; default $KAIWA_SPEECH_DIR) adds recordings of up to ten
seconds. After the first clip the reply is stopped, as somebody might.

All times are seconds from the last voiced sample of the recording, by the wall clock of this
client. `final`: the last text; `commit`: `reply.started`; `token`: the first `reply.delta`;
`clause`: the first `reply.clause`; `clip`: its sound is here; `voice`: the same and the silence
at the head of the clip: the latency itself; `more`: the second clause can be heard, which is what
counts of an answer that begins with えーと. `--picture` draws the stages of each question, in the
table's order, medians of the rounds.

The second table has sentences with a pause inside. `begun`: a reply was started before the person
had finished; `heard`: a clause of it was there to be played by then.

The third has words over a reply: `cut` is when it was stopped, from the first voiced sample of the
words; a backchannel and the reply's own first clip, 10 dB down and 200 ms late, must not stop it,
and the latter must not be written down.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from faster_whisper.audio import decode_audio
from rich.console import Console
from rich.table import Table

from bench.server import L16, Microphone, pcm, read, serving, spoken, until
from bench.turn_sounds import (
    ECHO,
    LONG_ANSWER,
    OVER,
    QUESTIONS,
    first_voiced,
    last_voiced,
    leading_silence_s,
    paused,
    questions,
    silence,
)
from bench.waterfall import draw
from kaiwa.domain.audio import SAMPLE_RATE, Samples

HEAD_S = 0.8  # silence before each recording: the microphone is open already
TAIL_S = 4.0  # and behind it
ANSWER_S = 40.0  # no answer by then is none
IDLE_S = 25.0  # a server that has been up for a moment has its openers ready
OVER_S = 3.0  # silence behind words over a reply
ECHO_DB, ECHO_LATE_S = -10, 0.2
STAGES = ("final", "commit", "token", "clause", "clip", "voice", "more")


@dataclass
class Turn:
    """What came back for one recording, in seconds from its last voiced sample."""

    stages: dict[str, float] = field(default_factory=dict)
    text: str = ""
    answer: str = ""
    timing: dict[str, int] = field(default_factory=dict)
    begun_early: bool = False
    heard_early: bool = False


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--language", choices=sorted(QUESTIONS), action="append")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--questions", type=Path, default=os.environ.get("KAIWA_SPEECH_DIR"))
    parser.add_argument("--no-pauses", action="store_true")
    parser.add_argument("--no-overs", action="store_true")
    parser.add_argument("--picture", type=Path, metavar="FILE.png")
    given = parser.parse_args()
    console = Console(width=120)
    languages = given.language or sorted(QUESTIONS)
    recordings = {each: questions(each, given.questions) for each in languages}
    pauses = {} if given.no_pauses else {each: paused(each) for each in languages}
    with tempfile.TemporaryDirectory(prefix="kaiwa-bench-") as folder:
        async with serving(Path(folder)) as server, server.client() as http:
            await asyncio.sleep(IDLE_S)
            table = Table("language", "question", *STAGES, "server's timing, ms", box=None)
            drawn = []
            for language, sounds in recordings.items():
                turns = await answer_all(table, http, language, sounds, given.rounds)
                drawn += _by_question(language, turns, len(sounds))
            console.print(table)
            if given.picture:
                draw(drawn, STAGES[: STAGES.index("more")], given.picture)
            for language, sounds in pauses.items():
                console.print(await false_starts(http, language, sounds))
            for language in [] if given.no_overs else languages:
                console.print(await cut_in(http, language))


async def answer_all(
    table: Table,
    http: httpx.AsyncClient,
    language: str,
    sounds: Sequence[tuple[str, Samples]],
    rounds: int,
) -> list[Turn]:
    turns = []
    async with Talking(http, language) as talk:
        for name, sound in list(sounds) * rounds:
            turn = await talk.say(sound)
            turns.append(turn)
            table.add_row(language, name[:30], *_cells(turn.stages), _short(turn.timing))
    answered = [turn.stages for turn in turns if "voice" in turn.stages]
    if answered:
        for label, share in (("median", 0.5), ("p95", 0.95)):
            reached = {
                stage: [each[stage] for each in answered if stage in each] for stage in STAGES
            }
            row = {stage: _quantile(values, share) for stage, values in reached.items() if values}
            table.add_row(
                language, f"{label} of {len(answered)}/{len(turns)}", *_cells(row), style="bold"
            )
    return turns


def _by_question(
    language: str, turns: Sequence[Turn], count: int
) -> list[tuple[str, dict[str, float]]]:
    """The median of each stage over the rounds of each of `count` questions."""
    found = []
    for at in range(count):
        rounds = [turn.stages for turn in turns[at::count]]
        stages = {
            stage: statistics.median(each[stage] for each in rounds if stage in each)
            for stage in STAGES
            if any(stage in each for each in rounds)
        }
        found.append((f"{language} {at + 1}", stages))
    return found


async def false_starts(
    http: httpx.AsyncClient, language: str, sounds: Sequence[tuple[str, Samples]]
) -> Table:
    table = Table("language", "with a pause", "begun", "heard", "voice", box=None)
    async with Talking(http, language) as talk:
        turns = [(name, await talk.say(sound)) for name, sound in sounds]
    for name, turn in turns:
        latency = f"{turn.stages.get('voice', float('nan')):.2f}"
        early = ["yes" if each else "" for each in (turn.begun_early, turn.heard_early)]
        table.add_row(language, name, *early, latency)
    begun = sum(turn.begun_early for _, turn in turns)
    heard = sum(turn.heard_early for _, turn in turns)
    table.add_row(language, f"of {len(turns)}", str(begun), str(heard), style="bold")
    return table


async def cut_in(http: httpx.AsyncClient, language: str) -> Table:
    table = Table("language", "over a reply", "cut", "as it should", "written down", box=None)
    for text, stops in (*OVER[language], (ECHO, False)):
        sound = None if text == ECHO else spoken(text, language, 0)
        async with Talking(http, language) as talk:
            at, written = await talk.over(LONG_ANSWER[language], sound)
        right = (at is not None) is stops and not (text == ECHO and written)
        cut = "" if at is None else f"{at:.2f}"
        table.add_row(language, text, cut, "yes" if right else "NO", written)
    return table


class Talking:
    """A hands-free talk and its events."""

    def __init__(self, http: httpx.AsyncClient, language: str) -> None:
        self._http = http
        self._language = language

    async def __aenter__(self) -> Talking:
        settings = {"language": self._language, "mode": "hands-free"}
        self._talk = (await self._http.post("/talks", json=settings)).json()["id"]
        await self._follow()
        return self

    async def _follow(self) -> None:
        self._stream = self._http.stream("GET", f"/talks/{self._talk}/stream")
        self._events: AsyncIterator[dict[str, Any]] = read(await self._stream.__aenter__())
        await until(self._events, "ready")

    async def __aexit__(self, *error: Any) -> None:
        await self._stream.__aexit__(*error)

    async def say(self, sound: Samples) -> Turn:
        """One turn: the recording goes up, the first clip comes down, the reply is stopped."""
        last = last_voiced(sound)
        whole = np.concatenate([silence(HEAD_S), sound, silence(TAIL_S)])
        microphone = Microphone(whole)
        end = HEAD_S + last / SAMPLE_RATE
        turn = Turn()
        async with asyncio.TaskGroup() as tasks:
            upload = tasks.create_task(
                self._http.post(
                    f"/talks/{self._talk}/stream", content=aiter(microphone), headers=L16
                )
            )
            try:
                async with asyncio.timeout(len(whole) / SAMPLE_RATE + ANSWER_S):
                    await self._listen(turn, microphone, end)
            except TimeoutError:  # which ends the reading, too
                await self._http.request("DELETE", f"/talks/{self._talk}/reply")
                await self._stream.__aexit__(None, None, None)
                await self._follow()
            await upload
        return turn

    async def over(self, question: str, sound: Samples | None) -> tuple[float | None, str]:
        """Ask, and say something over the answer (None: its own first clip); returns when that cut
        it, if it did, from the first voiced sample, and what was written down of it."""
        path = f"/talks/{self._talk}"
        await self._http.post(f"{path}/messages", json={"text": question})
        clause = await until(self._events, "reply.clause")
        place = {"listener": "bench-listener", "reply_id": clause["reply_id"], "clause": 0, "ms": 0}
        clip = (await self._http.get(f"{path}/clips/{clause['clip']}")).content
        if sound is None:
            echo = decode_audio(io.BytesIO(clip), sampling_rate=SAMPLE_RATE)
            sound = pcm(echo * 10 ** (ECHO_DB / 20), 0)
        await self._http.post(f"{path}/heard", json=place)
        head = silence(ECHO_LATE_S)
        microphone = Microphone(np.concatenate([head, sound, silence(OVER_S)]))
        began = (len(head) + first_voiced(sound)) / SAMPLE_RATE
        at, written = None, ""
        async with asyncio.TaskGroup() as tasks:
            upload = tasks.create_task(
                self._http.post(f"{path}/stream", content=aiter(microphone), headers=L16)
            )
            try:
                async with asyncio.timeout((len(sound)) / SAMPLE_RATE + OVER_S + 1):
                    while True:
                        event = await anext(self._events)
                        if event["type"] == "reply.cut" and at is None:
                            at = microphone.now - began
                        elif event["type"] == "utterance.final" and event["capture"]:
                            written += event["text"]
            except TimeoutError:
                pass
            await upload
        await self._http.request("DELETE", f"{path}/reply")
        return at, written

    async def _listen(self, turn: Turn, microphone: Microphone, end: float) -> None:
        gone: set[str] = set()
        while True:
            event = await anext(self._events)
            at = microphone.now - end
            match event["type"]:
                case "utterance.final":
                    turn.stages["final"] = at
                    turn.text += event["text"]
                case "reply.started":
                    turn.begun_early |= at < 0
                    turn.stages["commit"] = at
                    turn.stages.pop("token", None)
                case "reply.delta" if event["reply_id"] not in gone:
                    turn.stages.setdefault("token", at)
                case "reply.cut":
                    gone.add(event["reply_id"])
                case "reply.clause" if event["reply_id"] not in gone:
                    turn.heard_early |= at < 0
                    if at > 0 and event["clip"]:
                        turn.stages["clause"] = at
                        await self._hear(turn, event, microphone, end)
                        return

    async def _hear(
        self, turn: Turn, clause: dict[str, Any], microphone: Microphone, end: float
    ) -> None:
        clip = await self._http.get(f"/talks/{self._talk}/clips/{clause['clip']}")
        turn.stages["clip"] = microphone.now - end
        turn.stages["voice"] = turn.stages["clip"] + leading_silence_s(clip.content)
        turn.answer = clause["text"]
        reply = clause["reply_id"]
        told = await until(self._events, "reply.clause", "reply.finished")
        if told["type"] == "reply.clause":
            first_over = turn.stages["clip"] + clause["duration_ms"] / 1000
            turn.stages["more"] = max(first_over, microphone.now - end)
            heard = {"clause": clause["index"], "ms": clause["duration_ms"]}
            await self._http.request(
                "DELETE", f"/talks/{self._talk}/reply", json={"reply_id": reply, "heard": heard}
            )
            told = await until(self._events, "reply.finished")
        turn.timing = told["timing"]


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    if share == 0.5:
        return statistics.median(ordered)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def _cells(stages: dict[str, float]) -> list[str]:
    return [f"{stages[stage]:.2f}" if stage in stages else "-" for stage in STAGES]


def _short(timing: dict[str, int]) -> str:
    return " ".join(f"{stage.removeprefix('first_')} {ms}" for stage, ms in timing.items())


if __name__ == "__main__":
    began = time.monotonic()
    asyncio.run(main())
    print(f"{time.monotonic() - began:.0f} s in all")
