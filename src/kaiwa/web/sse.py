"""Server-Sent Events as bytes, each made once for all the streams of this process."""

from __future__ import annotations

import json
from typing import Any, Final

from kaiwa.domain.events import Recorded, encode, encode_recorded
from kaiwa.domain.ids import TalkId
from kaiwa.pipeline.fan_out import Item, Ready

KEPT: Final = 256
"""Messages; more than come while one event goes round all streams."""


class Messages:
    """What the items of talks are sent as. The fan-out gives all readers the same object."""

    def __init__(self) -> None:
        self._made: dict[
            tuple[TalkId, int, bool], tuple[Item, bytes]
        ] = {}  # the item keeps its id taken

    def of(self, talk: TalkId, item: Item, *, with_id: bool) -> bytes:
        """The item's message, with its seq as the browser's cursor if it is to have one."""
        key = (talk, id(item), with_id)
        known = self._made.get(key)
        if known is None:
            if len(self._made) >= KEPT:
                self._made.clear()
            known = self._made[key] = item, _message(talk, item, with_id=with_id)
        return known[1]


def _message(talk: TalkId, item: Item, *, with_id: bool) -> bytes:
    match item:
        case Ready(seq=seq):
            return message("ready", {"type": "ready", "talk": talk, "seq": seq})
        case Recorded(seq=seq, event=event):
            values = {**encode_recorded(item), "talk": talk}
            return message(event.type, values, seq if with_id else None)
        case _:
            return message(item.type, {**encode(item), "talk": talk})


def message(kind: str, values: dict[str, Any], seq: int | None = None) -> bytes:
    data = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    head = "" if seq is None else f"id: {seq}\n"
    return f"{head}event: {kind}\ndata: {data}\n\n".encode()
