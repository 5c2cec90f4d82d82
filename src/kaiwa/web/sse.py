"""Server-Sent Events as bytes, each made once for all the streams of this process."""

from __future__ import annotations

import json
from typing import Any, Final

from kaiwa.domain.events import (
    Recorded,
    ReplyPlayed,
    RollCall,
    TurnSignal,
    encode,
    encode_recorded,
)
from kaiwa.domain.ids import TalkId
from kaiwa.pipeline.fan_out import Group, Item, Ready

KEPT: Final = 64
"""Groups; more than go round the streams at a time."""


class Messages:
    """What the items of talks are sent as. The fan-out gives all readers the same group."""

    def __init__(self) -> None:
        self._made: dict[
            tuple[TalkId, int, bool], tuple[Group, bytes]
        ] = {}  # the group keeps its id taken

    def of(self, talk: TalkId, group: Group, *, with_ids: bool) -> bytes:
        """The group's messages, with their seq as the browser's cursor if they are to have one;
        nothing of what is only for the processes of the site."""
        key = (talk, id(group), with_ids)
        known = self._made.get(key)
        if known is None:
            if len(self._made) >= KEPT:
                self._made.clear()
            made = b"".join(_message(talk, item, with_id=with_ids) for item in group)
            known = self._made[key] = group, made
        return known[1]


def _message(talk: TalkId, item: Item, *, with_id: bool) -> bytes:
    match item:
        case Ready(seq=seq):
            return message("ready", {"type": "ready", "talk": talk, "seq": seq})
        case Recorded(seq=seq, event=event):
            values = {**encode_recorded(item), "talk": talk}
            return message(event.type, values, seq if with_id else None)
        case ReplyPlayed() | TurnSignal() | RollCall():
            return b""
        case _:
            return message(item.type, {**encode(item), "talk": talk})


def message(kind: str, values: dict[str, Any], seq: int | None = None) -> bytes:
    data = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    head = "" if seq is None else f"id: {seq}\n"
    return f"{head}event: {kind}\ndata: {data}\n\n".encode()
