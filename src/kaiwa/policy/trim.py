"""Silence before and after speech: every voice adds some, and listeners wait through it.

Measured: Kokoro begins with 250-290 ms of it and ends with 450-680, OpenJTalk 310-360 and 330,
hibari 230-310 and 280-450.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kaiwa.domain.audio import Samples

FLOOR_DB = -45.0  # relative to the peak; below it no voice here has any speech
MARGIN_MS = 30  # kept on both sides, so that a soft onset is not cut
SENTENCE_PAUSE_MS = 250  # between two sentences of one clip


def trim_silence(pcm: Samples, rate: int) -> Samples:
    """The sound from MARGIN_MS before the first sample above the floor to MARGIN_MS after the last.

    Empty if all of it is digital silence. A view, not a copy.
    """
    level = np.abs(pcm.astype(np.int32))
    peak = int(level.max(initial=0))
    if peak == 0:
        return pcm[:0]
    loud = np.flatnonzero(level >= peak * 10 ** (FLOOR_DB / 20))
    margin = rate * MARGIN_MS // 1000
    return pcm[max(0, int(loud[0]) - margin) : int(loud[-1]) + 1 + margin]


def join_sentences(sentences: Iterable[Samples], rate: int) -> Samples:
    """Each trimmed, the silent ones left out, with a short pause between them."""
    pause = np.zeros(rate * SENTENCE_PAUSE_MS // 1000, np.int16)
    parts: list[Samples] = []
    for sentence in sentences:
        sound = trim_silence(sentence, rate)
        if len(sound):
            parts += [pause, sound] if parts else [sound]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)
