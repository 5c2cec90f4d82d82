"""Events as the browser gets them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from kaiwa.domain.events import Presence, Recorded, UtteranceFinal
from kaiwa.domain.ids import TalkId
from kaiwa.pipeline.fan_out import Ready
from kaiwa.web import sse
from kaiwa.web.sse import Messages

TALK = TalkId("talk")
HERE = Presence(participant="ken", name="Ken", state="here")


def fields(message: bytes) -> dict[str, str]:
    """The one event in it, read as a browser does: by lines."""
    text, end, rest = message.decode().partition("\n\n")
    assert end and not rest
    return dict(line.split(": ", 1) for line in text.split("\n"))


@given(text=st.text())
def test_no_text_breaks_out_of_its_event(text: str) -> None:
    event = UtteranceFinal(
        utterance_id="u",
        participant="p",
        name=text,
        text=text,
        language="ja",
        started_ms=0,
        ended_ms=1,
    )
    message = Messages().of(TALK, (Recorded(seq=7, event=event),), with_ids=True)
    found = fields(message)
    assert (found["id"], found["event"]) == ("7", "utterance.final")
    values = json.loads(found["data"])
    assert (values["text"], values["name"], values["talk"]) == (text, text, TALK)


def test_one_object_in_two_talks_is_two_messages() -> None:
    messages, together = Messages(), (HERE,)
    for talk in ("one", "two"):
        assert f'"talk":"{talk}"'.encode() in messages.of(TalkId(talk), together, with_ids=False)


def test_only_some_are_kept() -> None:
    messages = Messages()
    for seq in range(sse.KEPT * 3):
        assert b'"seq":%d' % seq in messages.of(TALK, (Ready(seq),), with_ids=False)
    assert len(messages._made) <= sse.KEPT
