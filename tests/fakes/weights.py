"""Real weights for tests marked `real`; a test that wants them fails if they were not pulled."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaiwa.errors import ModelMissing
from kaiwa.models.catalogue import WHISPER_BASE
from kaiwa.models.store import ModelStore


def whisper_base() -> Path:
    try:
        return ModelStore().path(WHISPER_BASE)
    except ModelMissing as missing:
        pytest.fail(f"this test needs real weights: {missing}", pytrace=False)
