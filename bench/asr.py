"""Recognition as people see it: how late, how right, for how many at once, at what cost.

    python -m bench.asr [--speech DIR] [--captures 1,2,4] [--rounds 3]
                        [--server tcp://host:port[/language] …] [--only NAME]

Starts a `kaiwa serve` of its own and streams recordings to it in real time, as a microphone
would (L16, 50-ms blocks, each sent when its last sample was spoken), and to any server named that
speaks whisper_online_server's TCP wire, in the same run; `/ja` keeps a server to one language.
`DIR/manifest.jsonl` has one `{"file", "language", "text"}` a line; DIR defaults to
$KAIWA_SPEECH_DIR, and without either the project's own voices speak. Two seconds of silence are
behind each recording. Every figure is the median over the rounds.

lag      Wall clock, per character: when it was first shown as stable (in `utterance.partial.stable`
         or `utterance.final`) and from then on stayed, less when it was spoken. Over TCP: when its
         line came. When it was spoken is when its word (a Japanese token) ends in one offline
         decode of the recording by the same model, with word times from its attention: the model's
         own opinion, right to 0.2–0.3 s, and the same for every server. `bench/alignment.py` says
         how the two are aligned.
back     Characters shown as stable that were taken back or replaced later, by the final too.
first    From the start of an utterance's speech to its first text of any kind; the median and the
         worst of the utterances. Silero says where speech starts and ends, run here.
         Over TCP the whole recording is one utterance, and its text is confirmed text.
final    From its last voiced sample to its final text (over TCP: the last line): median, worst.
         `computing` is what is left of it once the pause that ends an utterance is over.
errors   CER of Japanese, WER of English, of the finals against the transcript. NFKC, case folded,
         punctuation and spaces dropped. `offline` is the same weights in the same precision on the
         whole recording: 30-s windows, beam 1, no fall-back temperatures.
CPU      Seconds per second of sound: the server's process, and with all its children (kaiwa's chat
         model reads along in one of them). PostgreSQL is in neither.

The second table plays the first recording that many times at once, each 1.7 s after the last; a
capture fell behind if its last text came more than two seconds after its last voiced sample.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import decode_audio
from rich.console import Console
from rich.table import Table

from bench import alignment, server
from bench.alignment import Step, Timed, Wait, distance, letters, spread, units
from bench.server import QUESTIONS, Cpu, cpu, pcm, serving
from bench.targets import Kaiwa, OnlineServer, Recording, Target
from kaiwa.adapters.vad_silero import SileroVoiceActivity
from kaiwa.domain.audio import FRAME_SAMPLES, SAMPLE_RATE, Samples, as_float
from kaiwa.models.speech import speech_folder
from kaiwa.models.store import ModelStore
from kaiwa.policy.agreement import join
from kaiwa.policy.endpointing import START_PROBABILITY, Endpointer, SegmentEnded
from kaiwa.settings import read_settings

TAIL_S = 2.0
BETWEEN_S = 0.9  # silence between synthesised questions: longer than the pause that ends one
GAP_S = 0.1  # a shorter silence is inside a word
STAGGER_S = 1.7
BEHIND_S = 2.0


@dataclass(frozen=True)
class Outcome:
    """One recording, or several, heard once."""

    lags: list[float]
    back: int
    waits: list[Wait]
    errors: int
    offline: int
    units: int
    seconds: float
    cpu_own: float
    cpu_all: float

    def waited(self, what: str) -> list[float]:
        """The waits of one kind."""
        waits = (getattr(wait, what) for wait in self.waits)
        return [wait for wait in waits if wait is not None]


def pool(outcomes: Iterable[Outcome]) -> Outcome:
    columns: Iterable[Any] = zip(*(vars(each).values() for each in outcomes), strict=True)
    return Outcome(*(reduce(add, column) for column in columns))


FIGURES: dict[str, Callable[[Outcome], float]] = {
    "lag": lambda heard: spread(heard.lags).mean,
    "p50": lambda heard: spread(heard.lags).p50,
    "p95": lambda heard: spread(heard.lags).p95,
    "back": lambda heard: heard.back,
    "first": lambda heard: spread(heard.waited("first")).p50,
    "first, worst": lambda heard: max(heard.waited("first"), default=math.nan),
    "final": lambda heard: spread(heard.waited("final")).p50,
    "final, worst": lambda heard: max(heard.waited("final"), default=math.nan),
    "computing": lambda heard: spread(heard.waited("computing")).p50,
    "errors": lambda heard: heard.errors / heard.units,
    "offline": lambda heard: heard.offline / heard.units,
    "CPU": lambda heard: heard.cpu_own / heard.seconds,
    "CPU, all": lambda heard: heard.cpu_all / heard.seconds,
}
AT_ONCE = ("lag", "p50", "p95", "errors", "CPU", "CPU, all")


def medians(rounds: Sequence[Outcome], names: Iterable[str] = FIGURES) -> list[str]:
    return [_figure(name, statistics.median(map(FIGURES[name], rounds))) for name in names]


def _figure(name: str, value: float) -> str:
    digits = {"back": 0, "errors": 3, "offline": 3}.get(name, 2)
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


async def measure(target: Target, recording: Recording) -> Outcome:
    before = cpu(target.pid)
    steps = await target.hear(recording)
    return judge(recording, steps, cpu(target.pid) - before)


def judge(recording: Recording, steps: Sequence[Step], used: Cpu) -> Outcome:
    emitted, back = alignment.emissions(steps)
    said = ""
    for step in steps:
        if step.final:
            said = join(said, step.stable)
    gold = units(recording.text, recording.language)
    return Outcome(
        lags=alignment.lags(recording.spoken, emitted),
        back=back,
        waits=alignment.waits(steps, recording.runs, recording.ends),
        errors=distance(gold, units(said, recording.language)),
        offline=distance(gold, units(recording.offline, recording.language)),
        units=len(gold),
        seconds=recording.seconds,
        cpu_own=used.own,
        cpu_all=used.all,
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--speech", type=Path, default=os.environ.get("KAIWA_SPEECH_DIR"))
    parser.add_argument("--captures", default="1,2,4")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server", action="append", default=[], metavar="tcp://host:port")
    parser.add_argument("--only", default="", help="recordings whose name has this in it")
    given = parser.parse_args()
    console = Console(width=140)
    speech = Path(given.speech) if given.speech else None
    recordings = prepare(speech, given.only)
    with tempfile.TemporaryDirectory(prefix="kaiwa-bench-") as folder:
        async with serving(Path(folder)) as kaiwa, kaiwa.client() as http:
            targets: list[Target] = [Kaiwa(kaiwa, http), *map(OnlineServer, given.server)]
            load = os.getloadavg()[0]
            console.print(f"{os.cpu_count()} cores, load {load:.1f} before, {given.rounds} rounds")
            console.print(await alone(targets, recordings, given.rounds))
            levels = [int(each) for each in given.captures.split(",") if each]
            console.print(await together(targets, recordings[0], levels, given.rounds))
            console.print(f"load {os.getloadavg()[0]:.1f} after")


async def alone(targets: Sequence[Target], recordings: Sequence[Recording], rounds: int) -> Table:
    """One recording after the other, each through every server."""
    outcomes: dict[tuple[str, str], dict[str, list[Outcome]]] = {}
    for _ in range(rounds):
        for recording in recordings:
            for target in targets:
                if target.takes(recording.language):
                    rows = outcomes.setdefault((target.name, recording.language), {})
                    rows.setdefault(recording.name, []).append(await measure(target, recording))
    table = _table("server", "recording", *FIGURES)
    for (name, language), rows in outcomes.items():
        for recorded, heard in rows.items():
            table.add_row(name, recorded, *medians(heard))
        every = [pool(each) for each in zip(*rows.values(), strict=True)]
        table.add_row(name, f"all {language}", *medians(every), style="bold")
    return table


async def together(
    targets: Sequence[Target], recording: Recording, levels: Sequence[int], rounds: int
) -> Table:
    """Several captures of one recording at once."""
    table = _table("server", f"{recording.name}, captures", *AT_ONCE, "worst lag", "fell behind")
    for target in targets:
        for level in levels if target.takes(recording.language) else ():
            heard = [await at_once(target, recording, level) for _ in range(rounds)]
            row = medians([pool(each) for each in heard], AT_ONCE)
            worst = statistics.median(max(spread(one.lags).mean for one in each) for each in heard)
            behind = max(sum(fell_behind(one) for one in each) for each in heard)
            table.add_row(target.name, str(level), *row, f"{worst:.2f}", str(behind))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number > 1 else "left")
    return table


def fell_behind(outcome: Outcome) -> bool:
    final = outcome.waited("final")
    return not final or final[-1] > BEHIND_S


async def at_once(target: Target, recording: Recording, captures: int) -> list[Outcome]:
    async def later(number: int) -> list[Step]:
        await asyncio.sleep(number * STAGGER_S)
        return await target.hear(recording)

    before = cpu(target.pid)
    async with asyncio.TaskGroup() as tasks:
        hearing = [tasks.create_task(later(number)) for number in range(captures)]
    used = cpu(target.pid) - before
    share = Cpu(used.own / captures, used.all / captures)
    return [judge(recording, each.result(), share) for each in hearing]


def prepare(folder: Path | None, only: str) -> list[Recording]:
    """The recordings with what is known of them offline; the model is gone again afterwards."""
    settings = read_settings()
    weights = speech_folder(settings.asr_model, ModelStore(settings.models))
    whisper = WhisperModel(str(weights), device="cpu", compute_type="int8", cpu_threads=2)
    sounds = from_manifest(folder) if folder else synthesised()
    found = [
        recorded(whisper, name, language, text, sound)
        for name, language, text, sound in sounds
        if only in name
    ]
    if not found:
        raise SystemExit(f"no recording has {only!r} in its name")
    return found


def from_manifest(folder: Path) -> Iterator[tuple[str, str, str, Samples]]:
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        if line.strip():
            entry = json.loads(line)
            sound = pcm(decode_audio(str(folder / entry["file"])), TAIL_S)
            yield Path(entry["file"]).stem, entry["language"], entry["text"], sound


def synthesised() -> Iterator[tuple[str, str, str, Samples]]:
    for language, questions in QUESTIONS.items():
        sound = [server.spoken(question, language, BETWEEN_S) for question in questions]
        tail = np.zeros(int((TAIL_S - BETWEEN_S) * SAMPLE_RATE), np.int16)
        yield f"questions-{language}", language, " ".join(questions), np.concatenate([*sound, tail])


def recorded(
    whisper: WhisperModel, name: str, language: str, text: str, sound: Samples
) -> Recording:
    segments, _ = whisper.transcribe(
        as_float(sound),
        language=language,
        beam_size=1,
        temperature=0.0,
        condition_on_previous_text=False,
        word_timestamps=True,
    )
    offline = list(segments)
    spoken = [
        Timed(character, float(word.end))
        for segment in offline
        for word in segment.words or ()
        for character in letters(word.word)
    ]
    vad = SileroVoiceActivity()
    frames = sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    voice = [vad.probability(frame) for frame in frames]
    voiced = [probability >= START_PROBABILITY for probability in voice]
    runs = alignment.voiced_runs(voiced, FRAME_SAMPLES / SAMPLE_RATE, GAP_S)
    said = "".join(segment.text for segment in offline)
    return Recording(name, language, text, sound, runs, ends(voice), spoken, said)


def ends(voice: Sequence[float]) -> list[tuple[float, float]]:
    """Where the voice of an utterance ends, and when that is known, in seconds; `voice` is the
    probability of each frame."""
    endpointer = Endpointer()
    found = []
    for number, probability in enumerate(voice, 1):
        now = number * FRAME_SAMPLES
        found += [
            (decision.voice_end / SAMPLE_RATE, now / SAMPLE_RATE)
            for decision in endpointer.step(probability, now)
            if isinstance(decision, SegmentEnded)
        ]
    return found


if __name__ == "__main__":
    asyncio.run(main())
