"""The agent's own voice, come back through a microphone: by its words, and by its rise and fall.

Measured with the project's own voices (bench/echo.py): the levels of an echo 10 dB down and 50-300
ms late correlate with the clip's at .90-1.0 (parts of it at .78 and more), other speech at .5
(median; 95 % below .82), the same words in another voice at .33-.46.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Final

import numpy as np
import numpy.typing as npt

from kaiwa.domain.audio import FRAME_SAMPLES, ms_to_samples
from kaiwa.policy.barge_in import Words, asks_for_silence, words_over
from kaiwa.policy.similar import distance_within, folded, units

Levels = npt.NDArray[np.float64]
"""The power of each frame (domain.audio.FRAME_SAMPLES) of sound in [-1, 1)."""

DIFFERENCE: Final = 0.4
"""Of what was heard, so much may differ from what was played: recognition of a quiet echo."""
SHORT: Final = 4
"""Shorter text is an echo only if it was played to the letter."""
FOREIGN_UNITS: Final = 5.0
"""So much in a row that was not played is somebody who speaks at the same time; as is a word of
stop."""
_ANCHOR: Final = 3
"""Letters in a row that do not agree by chance."""

ALIKE: Final = 0.6
"""Words that were played are a person's, who repeats them, if their sound is less like it."""
THE_SAME: Final = 0.9
"""Sound so like the clip is the clip, whatever words were recognised in it …"""
PROOF: Final = ms_to_samples(1_000) // FRAME_SAMPLES
"""… if the clip has at least so many frames: any word begins as はい、 does (.93–.97 of ソ, それ
and 文)."""
DEPTH_DB: Final = 30.0
"""Below the loudest frame; what is quieter is the room."""
QUIET_DB: Final = 20.0
"""Below the loudest frame; so quiet is the room before and after a voice."""
_LEAST_FRAMES: Final = 10
_LEAST_SHARE: Final = 0.6
"""Of what was heard, that must have been in the air at the same time."""
_FLAT_DB: Final = 1.0


def is_echo(text: str, played: str, whole: float | None, voice: float | None) -> bool:
    """Whether `text`, heard while `played` was sounding, is the agent's own voice. The likenesses
    are those of all that was heard, if what was played is long enough for PROOF, and of its
    `voiced` part; None where they are not known."""
    if not played:
        return False
    if _was_played(folded(text), folded(played)):
        return voice is None or voice >= ALIKE
    stop = words_over(text, ended=False) is Words.STOP
    return whole is not None and whole >= THE_SAME and not stop


def voiced(heard: Levels) -> Levels:
    """Without what is quiet at both ends: beside a short clip (はい、) there may be another in the
    air where the room was silent, or the other way round. It is too short to prove by itself that
    two sounds are one."""
    if not len(heard):
        return heard
    loud = np.flatnonzero(heard > heard.max() * 10 ** (-QUIET_DB / 10))
    return heard[loud[0] : loud[-1] + 1] if len(loud) else heard


def likeness(heard: Levels, played: Levels) -> float | None:
    """How alike two sounds rise and fall where they fit best, at most 1; None where they cannot be
    compared: too short, too level, or hardly at the same time."""
    if not len(heard) or not len(played):
        return None
    one, other = _db(heard), _db(played)
    least = max(_LEAST_FRAMES, int(_LEAST_SHARE * len(one)))
    best: float | None = None
    for lag in range(least - len(other), len(one) - least + 1):
        begin, end = max(0, lag), min(len(one), len(other) + lag)
        a, b = one[begin:end], other[begin - lag : end - lag]
        if end - begin >= least and a.std() > _FLAT_DB and b.std() > _FLAT_DB:
            found = float(np.corrcoef(a, b)[0, 1])
            best = found if best is None else max(best, found)
    return best


def _was_played(said: str, sounded: str) -> bool:
    if not said:
        return False
    if len(said) < SHORT:
        return said in sounded
    if distance_within(said, sounded) > DIFFERENCE * len(said):
        return False
    foreign = _foreign(said, sounded)
    return not any(
        units(each) >= FOREIGN_UNITS or (len(each) >= _ANCHOR and asks_for_silence(each))
        for each in foreign
    )


def _foreign(said: str, sounded: str) -> list[str]:
    """The stretches of what was said that were not played."""
    matcher = SequenceMatcher(None, sounded, said, autojunk=False)
    anchors = [block for block in matcher.get_matching_blocks() if block.size >= _ANCHOR]
    ends = [0, *(block.b + block.size for block in anchors)]
    begins = [*(block.b for block in anchors), len(said)]
    return [said[end:begin] for end, begin in zip(ends, begins, strict=True) if end < begin]


def _db(powers: Levels) -> Levels:
    levels: Levels = 10 * np.log10(np.maximum(powers, 1e-10))
    floored: Levels = np.maximum(levels, levels.max() - DEPTH_DB)
    return floored
