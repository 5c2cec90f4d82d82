"""The turn model hears whether somebody has finished, and says how to get it when it is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kaiwa.adapters.turn_smart import SmartTurn
from kaiwa.domain.audio import Samples, ms_to_samples
from kaiwa.errors import ModelMissing
from kaiwa.models.catalogue import SMART_TURN
from kaiwa.models.store import ModelStore
from tests.fakes.speech import japanese

PAUSE: Samples = np.zeros(ms_to_samples(200), np.int16)


@pytest.mark.real
async def test_a_question_is_over_and_a_dangling_particle_is_not() -> None:
    turn = SmartTurn(ModelStore().path(SMART_TURN) / SMART_TURN.files[0].name)
    whole = await turn.probability(
        np.concatenate([japanese("おすすめの映画はありますか？"), PAUSE])
    )
    begun = await turn.probability(np.concatenate([japanese("富士山の高さは、"), PAUSE]))
    assert begun < 0.5 < whole <= 1


@pytest.mark.real
@pytest.mark.parametrize("ms", [0, 30, 20_000])
async def test_any_length_and_silence_can_be_judged(ms: int) -> None:
    turn = SmartTurn(ModelStore().path(SMART_TURN) / SMART_TURN.files[0].name)
    assert 0 <= await turn.probability(np.zeros(ms_to_samples(ms), np.int16)) <= 1


async def test_missing_weights_are_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="kaiwa models pull"):
        await SmartTurn(tmp_path / "none.onnx").ready()


async def test_so_are_damaged_ones(tmp_path: Path) -> None:
    (tmp_path / "torn.onnx").write_bytes(b"torn")
    with pytest.raises(ModelMissing, match="kaiwa models pull"):
        await SmartTurn(tmp_path / "torn.onnx").ready()
