"""What is no export of a talk is refused in words."""

from __future__ import annotations

import json

import pytest

from kaiwa.errors import BadRequest
from kaiwa.policy.importing import imported


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+09:00", "9999-12-31T23:59:59-09:00"])
@pytest.mark.parametrize("of", ["talk", "event"])
def test_a_time_that_no_calendar_has_in_utc_is_refused(of: str, at: str) -> None:
    usual = "2026-01-01T00:00:00Z"
    said = {
        "type": "utterance.edited",
        "utterance_id": "u-1",
        "text": "はい。",
        "by": "mari",
        "at": at if of == "event" else usual,
    }
    talk = {"created_at": at if of == "talk" else usual}
    document = json.dumps({"kaiwa": 1, "talk": talk, "events": [said]}).encode()
    with pytest.raises(BadRequest):
        imported(document)
