"""One codec for every event, and a page that knows the same events."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import kaiwa.web
from kaiwa.domain import events
from kaiwa.domain.events import (
    Durable,
    Ephemeral,
    Internal,
    Recorded,
    Unknown,
    decode_durable,
    decode_ephemeral,
    decode_stored,
    encode,
    encode_recorded,
)

DURABLE = get_args(get_args(Durable)[0])
EPHEMERAL = get_args(get_args(Ephemeral)[0])
INTERNAL = get_args(get_args(Internal)[0])
PROTOCOL = Path(kaiwa.web.__file__).parent / "static" / "js" / "core" / "protocol.js"

MOMENTS = st.integers(0, 4 * 10**12).map(
    lambda ms: datetime.fromtimestamp(ms / 1000, UTC)  # as events are stamped: milliseconds
)


def type_of(kind: type[BaseModel]) -> str:
    name: str = kind.model_fields["type"].default
    return name


def values_of(kind: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Any event of that type."""
    fields: dict[str, st.SearchStrategy[Any]] = {"at": MOMENTS}
    for name, field in kind.model_fields.items():
        if name == "error":
            fields[name] = st.none() | st.dictionaries(st.text(), st.text())
        elif name in ("score", "confidence"):
            fields[name] = st.none() | st.floats(0, 1)
        elif name not in ("at", "type"):
            fields[name] = st.from_type(cast(type[Any], field.annotation))
    return st.builds(kind, **fields)


@given(st.one_of([values_of(kind) for kind in DURABLE]), st.integers(1, 2**63 - 1))
def test_durable_events_come_back_as_they_were(event: Durable, seq: int) -> None:
    written = json.loads(json.dumps(encode_recorded(Recorded(seq=seq, event=event))))
    assert (written["seq"], written["type"]) == (seq, event.type)
    assert decode_durable(written) == event
    assert type(decode_durable(written)) is type(event)


@given(st.one_of([values_of(kind) for kind in (*EPHEMERAL, *INTERNAL)]))
def test_ephemeral_events_come_back_as_they_were(event: Ephemeral | Internal) -> None:
    written = json.loads(json.dumps(encode(event)))
    assert "seq" not in written and written["type"] == event.type
    assert decode_ephemeral(written) == event


def test_no_event_is_left_out_of_the_unions() -> None:
    every = set(events._Event.__subclasses__())
    assert every == {*DURABLE, *EPHEMERAL, *INTERNAL, Unknown}
    named = every - {Unknown}
    assert len({type_of(kind) for kind in named}) == len(named)


@pytest.mark.parametrize(
    "values",
    [{}, {"type": "nothing"}, {"type": "presence"}, {"type": "utterance.final", "text": "は"}],
)
def test_what_is_no_event_is_refused(values: dict[str, Any]) -> None:
    for decode in (decode_durable, decode_ephemeral):
        with pytest.raises(ValidationError):
            decode(values)


def test_a_newer_version_may_say_more() -> None:
    values = {"type": "member.left", "participant": "ken", "why": "tired", "seq": 3}
    assert decode_durable(values).type == "member.left"


@pytest.mark.parametrize(
    "news",
    [
        {"type": "utterance.starred", "by": "ken", "stars": [1, {"of": 5}]},
        {"type": "reply.finished", "reply_id": "r", "status": "handed on", "text": "はい"},
        {"type": "member.joined", "participant": "ken", "name": "Ken", "role": "guest"},
    ],
)
def test_what_a_newer_version_stored_is_handed_on_as_it_is(news: dict[str, Any]) -> None:
    stored = {"at": "2027-01-02T03:04:05.678000Z", **news}
    event = decode_stored(stored)
    assert isinstance(event, Unknown)
    assert encode_recorded(Recorded(seq=7, event=event)) == {"seq": 7, **stored}


@pytest.mark.parametrize(("name", "kinds"), [("DURABLE", DURABLE), ("EPHEMERAL", EPHEMERAL)])
def test_the_page_knows_the_same_events(name: str, kinds: tuple[type[BaseModel], ...]) -> None:
    listed = re.search(
        rf"export const {name} = Object\.freeze\(\[(.*?)\]\)", PROTOCOL.read_text(), re.S
    )
    assert listed is not None
    assert re.findall(r"'([^']+)'", listed[1]) == [type_of(kind) for kind in kinds]
