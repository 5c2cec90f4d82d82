"""Which of two microphones in a room heard somebody, and which only overheard them."""

from __future__ import annotations

import numpy as np
import pytest

from kaiwa.domain.events import TurnSignal
from kaiwa.pipeline.loudness import Loudness
from kaiwa.policy.overhearing import Overhearing, Stretch
from tests.sounds import silence, speech, tone

WORDS = "明日の天気はどうですか？"


def heard(text: str = WORDS, start: int = 1_000, end: int = 3_000, db: float = -20.0) -> TurnSignal:
    return TurnSignal(
        **{"signal": "paused", "participant": "mari", "capture": "near", "text": text},
        started_ms=start,
        ended_ms=end,
        level_db=db,
    )


def far(text: str = WORDS, start: int = 1_120, end: int = 3_080, db: float = -32.0) -> Stretch:
    return Stretch("far", start, end, db, text)


@pytest.mark.parametrize(
    ("near", "stretch", "overheard"),
    [
        (heard(), far(), True),
        (heard(), far("明日の電気はどうですか"), True),
        (heard(), far("天気はどうですか", start=1_700), True),  # cut otherwise
        (heard(), far(db=-14.0), False),  # the louder one
        (heard(), far(db=-20.0), False),
        (heard(), far("それより大阪はどう？"), False),
        (heard(), far(start=5_000, end=7_000), False),  # said again
        (heard("はい。"), far("はい", db=-23.0), False),  # two people at once
        (heard("はい。"), far("はい", db=-32.0), True),
        (heard(""), far(), False),
    ],
)
def test_the_same_words_at_the_same_time_are_the_louder_ones(
    near: TurnSignal, stretch: Stretch, overheard: bool
) -> None:
    overhearing = Overhearing()
    overhearing.observe(near)
    assert overhearing.is_overheard(stretch) is overheard


def test_a_capture_does_not_overhear_itself_and_old_words_are_forgotten() -> None:
    overhearing = Overhearing()
    overhearing.observe(heard())
    assert not overhearing.is_overheard(Stretch("near", 1_000, 3_000, -40.0, WORDS))
    overhearing.observe(heard("後の話です。", start=80_000, end=81_000))
    assert not overhearing.is_overheard(far())


def test_the_level_is_that_of_the_voice_without_its_pauses() -> None:
    loudness = Loudness(start=16_000)
    for block in np.array_split(speech(512, 512, 512), 7):
        loudness.add(block)
    loudness.add(silence(1_000))
    whole = loudness.level_db(16_000, 16_000 + 3 * 8_192)
    assert whole == pytest.approx(20 * np.log10(8_000 / 32_768 / np.sqrt(2)), abs=0.5)
    assert loudness.level_db(45_000, 48_000) == -100.0
    assert loudness.level_db(0, 100) == -100.0


def test_only_the_latest_sound_is_measured() -> None:
    loudness = Loudness(start=0)
    loudness.add(tone(40_000))
    loudness.add(silence(40_000))
    assert loudness.level_db(0, 80 * 16_000) == -100.0
