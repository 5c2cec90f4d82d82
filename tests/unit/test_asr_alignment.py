"""Where words begin, from what the heads that follow the sound looked at."""

from __future__ import annotations

import numpy as np
import pytest

from kaiwa.adapters.asr_whisper import alignment


def test_each_token_begins_where_the_heads_begin_to_look_for_it() -> None:
    attention = np.full((2, 3, 30), 0.01, np.float32)
    for row, (begin, end) in enumerate([(0, 8), (8, 21), (21, 30)]):
        attention[:, row, begin:end] = 0.2

    assert alignment.token_starts(attention).tolist() == [0, 8, 21]


@pytest.mark.parametrize("places", [1, 3, 4, 50])
def test_attention_is_smoothed_by_the_median_of_its_neighbourhood(places: int) -> None:
    values = np.random.default_rng(places).normal(size=(2, 5, places)).astype(np.float32)

    smooth = alignment._smooth(values)

    padded = np.pad(values, ((0, 0), (0, 0), (3, 3)), mode="reflect" if places > 3 else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 7, axis=-1)
    assert np.array_equal(smooth, np.median(windows, axis=-1))
