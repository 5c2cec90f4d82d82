"""How late and how wrong a transcript is: sums over text and times, without sound or clock.

The normaliser: NFKC, case folded; only letters, marks and numbers count. Japanese is compared by
character (CER), English by word (WER, apostrophes dropped: "you'll" is youll).

The lag is that of ufal's asr_latency: what was emitted is aligned with what was spoken by
*continuous* Levenshtein, which among alignments of equal cost takes the one whose copies and
substitutions are least torn apart by insertions and deletions (Macháček and Polák, IWSLT 2025).
Each pair is a lag, and one below zero counts as zero; what has no partner has no lag. Unlike
theirs, spaces and punctuation are left out in every language, and characters are not put together
into words again.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

_BOTH, _GOLD, _SAID = (1, 1), (1, 0), (0, 1)
_NEXT = {
    _BOTH: (_BOTH, _GOLD, _SAID),
    _GOLD: (_GOLD, _SAID, _BOTH),
    _SAID: (_SAID, _GOLD, _BOTH),
}
"""From one step back through the table to the next: as long as it can, a stretch goes on."""
_APOSTROPHES = "'’ʼ"


@dataclass(frozen=True, slots=True)
class Timed:
    """A character, and the second it was spoken or shown."""

    character: str
    at: float


@dataclass(frozen=True, slots=True)
class Step:
    """What stood on the screen of one utterance from second `at` on. `begin` and `end` are the
    utterance's own borders in the recording, in seconds."""

    at: float
    utterance: str
    stable: str
    tentative: str = ""
    final: bool = False
    begin: float = 0.0
    end: float = 0.0


@dataclass(frozen=True, slots=True)
class Spread:
    mean: float
    p50: float
    p95: float


def letters(text: str) -> str:
    """What counts of a text, without spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(each for each in folded if _counts(each))


def words(text: str) -> list[str]:
    """The same for a script with spaces; a hyphen parts words."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = (each if _counts(each) else " " for each in folded if each not in _APOSTROPHES)
    return "".join(kept).split()


def _counts(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


def units(text: str, language: str) -> Sequence[str]:
    """What errors are counted in."""
    return letters(text) if language == "ja" else words(text)


def distance(gold: Sequence[str], said: Sequence[str]) -> int:
    """Substitutions, insertions and deletions between the two."""
    return _table(gold, said)[-1][-1]


def align(gold: Sequence[str], said: Sequence[str]) -> list[tuple[int, int]]:
    """The positions that belong together, copies and substitutions, in order."""
    table = _table(gold, said)
    at, to = len(gold), len(said)
    step = _BOTH
    pairs = []
    while at and to:
        costs = {_BOTH: int(gold[at - 1] != said[to - 1]), _GOLD: 1, _SAID: 1}
        step = next(
            (down, right)
            for down, right in _NEXT[step]
            if table[at][to] == table[at - down][to - right] + costs[down, right]
        )
        at, to = at - step[0], to - step[1]
        if step == _BOTH:
            pairs.append((at, to))
    return pairs[::-1]


def _table(gold: Sequence[str], said: Sequence[str]) -> list[list[int]]:
    table = [list(range(len(said) + 1))]
    for count, wanted in enumerate(gold, start=1):
        above, row = table[-1], [count]
        for at, found in enumerate(said):
            row.append(min(above[at] + (wanted != found), above[at + 1] + 1, row[at] + 1))
        table.append(row)
    return table


def emissions(steps: Iterable[Step]) -> tuple[list[Timed], int]:
    """Each character that stood there as stable in the end, with the first time since which it
    stood there; and how many that were shown as stable were taken back."""
    shown: dict[str, list[Timed]] = {}
    taken_back = 0
    for step in steps:
        before = shown.get(step.utterance, [])
        after = letters(step.stable)
        kept = _kept("".join(each.character for each in before), after)
        taken_back += len(before) - len(kept)
        shown[step.utterance] = [
            before[kept[n]] if n in kept else Timed(character, step.at)
            for n, character in enumerate(after)
        ]
    return [each for utterance in shown.values() for each in utterance], taken_back


def _kept(before: str, after: str) -> dict[int, int]:
    """Where each character of `after` that was in `before` stood there."""
    same = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
        min(len(before), len(after)),
    )
    rest = align(before[same:], after[same:])
    return {n: n for n in range(same)} | {
        same + b: same + a for a, b in rest if before[same + a] == after[same + b]
    }


def lags(spoken: Sequence[Timed], emitted: Sequence[Timed]) -> list[float]:
    """Seconds between the speaking and the showing of each character that has a partner."""
    pairs = align([each.character for each in spoken], [each.character for each in emitted])
    return [max(0.0, emitted[b].at - spoken[a].at) for a, b in pairs]


def spread(values: Sequence[float]) -> Spread:
    """Percentiles are interpolated; NaN of nothing."""
    if not values:
        return Spread(*[float("nan")] * 3)
    p50, p95 = np.percentile(values, (50, 95))
    return Spread(float(np.mean(values)), float(p50), float(p95))


def voiced_runs(voiced: Sequence[bool], frame_s: float, gap_s: float) -> list[tuple[float, float]]:
    """Where somebody speaks, in seconds; shorter silences than `gap_s` do not part two runs."""
    runs: list[tuple[float, float]] = []
    for frame, voice in enumerate(voiced):
        if not voice:
            continue
        begin, end = frame * frame_s, (frame + 1) * frame_s
        if runs and begin - runs[-1][1] < gap_s:
            begin = runs.pop()[0]
        runs.append((begin, end))
    return runs


@dataclass(frozen=True)
class Wait:
    """What somebody waited for the texts of one utterance, in seconds; None for one that did not
    come. `computing` is what of `final` was not the pause that ended it."""

    first: float | None
    final: float | None
    computing: float | None


def waits(
    steps: Sequence[Step],
    runs: Sequence[tuple[float, float]],
    ends: Sequence[tuple[float, float]],
) -> list[Wait]:
    """Of each utterance: from the start of its speech to the first text of any kind, and from its
    last voiced sample to its final text.

    `runs` say when there was a voice, `ends` where an utterance's voice ended and when that was
    known. An utterance's borders only choose among them, so they may be off by a tenth of a
    second."""
    first: dict[str, float] = {}
    final: dict[str, tuple[float, float]] = {}
    for step in steps:
        if step.utterance not in first and step.stable + step.tentative:
            start = next((run[0] for run in runs if run[1] > step.begin + 0.1), step.begin)
            first[step.utterance] = step.at - max(start, step.begin)
        if step.final:
            voice_end = min((run[1] for run in runs), key=lambda end: abs(end - step.end))
            _, known = min(ends, key=lambda end: abs(end[0] - step.end))
            final[step.utterance] = step.at - voice_end, step.at - known
    return [
        Wait(first.get(name), *final.get(name, (None, None)))
        for name in dict.fromkeys([*first, *final])
    ]
