"""Something that was said, where it does not matter by whom and when."""

from __future__ import annotations

from kaiwa.domain.events import UtteranceFinal


def said(text: str) -> UtteranceFinal:
    return UtteranceFinal(
        utterance_id=text,
        participant="mari",
        name="まり",
        text=text,
        language="ja",
        started_ms=0,
        ended_ms=1,
    )
