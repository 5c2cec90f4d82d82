"""When each word was said, from the attention of the heads that follow the sound.

Dynamic time warping over the attention, as in OpenAI's `whisper/timing.py`: weights normalised over
the tokens, smoothed over time with a median, averaged over the heads; then the path through
(token, place) that collects the most of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kaiwa.adapters.asr_whisper.engine import FRAME_S
from kaiwa.domain.speech import Word

_MEDIAN = 7  # places
_MEDIAN_NETWORK = (
    *((0, 5), (0, 3), (1, 6), (2, 4), (0, 1), (3, 5), (2, 6)),
    *((2, 3), (3, 6), (4, 5), (1, 4), (1, 3), (3, 4)),
)
"""Which two of seven values are brought into order, one pair after the other, until the middle one
is the median (Devillard, "Fast median search: an ANSI C implementation", 1998). 2 ms where
`numpy.median` takes 38, and a final waits for it."""

F32 = npt.NDArray[np.float32]


def words(
    attention: F32, tokens: Sequence[int], logprobs: Sequence[float], tokenizer: Any
) -> tuple[Word, ...]:
    """The words of a decode.

    `attention` [heads, tokens + 1, places]: row n is what the model looked at when it said token
    n, the last row when it said that the text ends. `logprobs`: one for each token.
    """
    if not tokens or attention.shape[-1] < 1:
        return ()
    starts = token_starts(attention)
    texts, groups = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
    said: list[Word] = []
    at = 0
    for text, group in zip(texts[:-1], groups[:-1], strict=True):
        behind = at + len(group)
        said.append(
            Word(
                text=text,
                start_ms=_ms(starts[at]),
                end_ms=_ms(starts[behind]),
                probability=float(np.exp(np.mean(logprobs[at:behind]))),
            )
        )
        at = behind
    return tuple(said)


def token_starts(attention: F32) -> npt.NDArray[np.int64]:
    """The place where each row of `attention` [heads, rows, places] begins, never falling."""
    spread = attention.std(axis=1, keepdims=True)
    clean = (attention - attention.mean(axis=1, keepdims=True)) / np.maximum(spread, 1e-9)
    return _warp(-_smooth(clean).mean(axis=0))


def _smooth(values: F32) -> F32:
    """The median of each value and its neighbours on the last axis, three on either side."""
    places, half = values.shape[-1], _MEDIAN // 2
    around = ((0, 0), (0, 0), (half, half))
    padded = np.pad(values, around, mode="reflect" if places > half else "edge")
    ordered = [padded[..., first : first + places] for first in range(_MEDIAN)]
    for low, high in _MEDIAN_NETWORK:
        one, other = ordered[low], ordered[high]
        ordered[low], ordered[high] = np.minimum(one, other), np.maximum(one, other)
    return ordered[half]


def _warp(cost: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int64]:
    """The first place of each row on the cheapest path through `cost` [rows, places] that moves
    on by one row, one place or both."""
    rows, places = cost.shape
    best = np.empty((rows, places))
    best[:, 0] = np.cumsum(cost[:, 0])
    for place in range(1, places):
        before = best[:, place - 1]
        entered = np.minimum(before, np.concatenate([[np.inf], before[:-1]]))
        # best[i] = cost[i] + min(entered[i], best[i - 1]), for all i at once
        summed = np.cumsum(cost[:, place])
        ahead = entered - np.concatenate([[0.0], summed[:-1]])
        best[:, place] = summed + np.minimum.accumulate(ahead)
    starts = np.zeros(rows, np.int64)
    row, place = rows - 1, places - 1
    while row > 0:
        if place == 0:
            starts[1 : row + 1] = 0
            break
        diagonal, up, left = best[row - 1, place - 1], best[row - 1, place], best[row, place - 1]
        if left < min(diagonal, up):
            place -= 1
            continue
        starts[row] = place
        row -= 1
        if diagonal <= up:
            place -= 1
    return starts


def _ms(place: int) -> int:
    return round(int(place) * FRAME_S * 1000)
