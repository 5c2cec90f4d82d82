"""How fast the parts are, on the machine that runs this."""

from __future__ import annotations

from kaiwa.benching import SENTENCES, measure
from kaiwa.settings import read_settings


async def test_every_part_is_measured() -> None:
    rows = [row async for row in measure(read_settings())]

    heard = {f"first words, {language}" for language in SENTENCES}
    assert heard < {row.what for row in rows}
    assert {row.part for row in rows} == {
        "kokoro:jf_alpha",
        "hibari:heart",
        "recogniser",
        "embedded chat model",
    }
    assert all(row.seconds > 0 for row in rows)
