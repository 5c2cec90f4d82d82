"""The evening that everything happens to, in short; `make faults` plays it for minutes, from any
seed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaiwa import app
from kaiwa.domain.audio import ms_to_samples
from kaiwa.errors import DatabaseDown
from kaiwa.settings import Settings
from kaiwa.web.security import Site
from tests.faults import words
from tests.faults.app import engines_of
from tests.faults.people import Capture
from tests.faults.scene import check_replies, check_words, play

SEED = 602  # every kind of fault within
SCENE_S = 17.5
SAID = [3, 1, 4, 1, 5]


@pytest.mark.timeout(900)
async def test_a_busy_evening_loses_nothing_and_tells_nothing_twice() -> None:
    folder = tempfile.mkdtemp(prefix="kaiwa-faults-")
    print(f"seed {SEED}; logs are in {folder}")
    print(await play(SEED, SCENE_S, Path(folder)))
    shutil.rmtree(folder)


async def test_a_database_lost_while_starting_is_one_error(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a group of them, which would end `kaiwa serve` with a traceback."""
    monkeypatch.setattr(app, "engines_of", engines_of)
    settings = Settings(database_url=database_url, llm_url="http://127.0.0.1:1")
    with pytest.raises(DatabaseDown, match="away"):
        async with app.running(settings, Site(1, secure=False)):
            raise DatabaseDown("away")


def test_words_are_heard_wherever_they_are_cut() -> None:
    sound = words.sound(SAID)
    assert words.heard(sound) == words.text(SAID)
    for at in range(0, len(sound), 999):
        before, after = words.heard(sound[:at]), words.heard(sound[at:])
        both = before[-1:] == after[:1]
        assert before + after[both:] == words.text(SAID)


def final(n: int, text: str, started_ms: int, ended_ms: int) -> dict[str, Any]:
    return {
        "type": "utterance.final",
        "capture": "capture1",
        "utterance_id": f"capture1-{n}",
        "text": text,
        "started_ms": started_ms,
        "ended_ms": ended_ms,
    }


def test_a_word_that_is_missing_or_there_twice_is_noticed() -> None:
    spoken = [Capture("capture1", np.zeros(ms_to_samples(100), np.int16), "あいうえ")]
    check_words(spoken, [final(1, "あい", 1_000, 1_600), final(2, "うえ", 2_000, 2_600)])
    check_words(spoken, [final(1, "あい", 1_000, 1_450), final(2, "いうえ", 1_450, 2_050)])
    for wrong in (
        [final(1, "あい", 1_000, 1_600), final(2, "いうえ", 2_000, 2_600)],
        [final(1, "あい", 1_000, 1_600), final(2, "え", 2_000, 2_300)],
        [final(1, "あい", 1_000, 1_600), final(3, "うえ", 2_000, 2_600)],
    ):
        with pytest.raises(AssertionError):
            check_words(spoken, wrong)


def test_a_reply_without_an_end_is_noticed() -> None:
    begun = {"type": "reply.started", "reply_id": "r"}
    ended = {"type": "reply.finished", "reply_id": "r", "status": "interrupted", "text": ""}
    check_replies([begun, ended])
    for wrong in ([begun], [begun, begun], [ended], [begun, ended, ended]):
        with pytest.raises(AssertionError):
            check_replies(wrong)
