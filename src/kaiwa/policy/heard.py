"""How much of a reply was heard, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kaiwa.domain.events import ReplyClause

_PHRASE_END = re.compile(r"[、。，．！？!?;\s…]|[,.:](?!\d)")  # not inside 1,200


def joined(clauses: Sequence[ReplyClause]) -> str:
    """The clauses, in order, as one text; what stood between two of them was white space."""
    text, end = "", 0
    for clause in clauses:
        text += (" " if text and clause.start > end else "") + clause.text
        end = clause.end
    return text


def heard_text(clauses: Sequence[ReplyClause], clause: int, ms: int) -> str:
    """The text up to `ms` into clause number `clause`: whole clauses before it, and of the clause
    itself its share by time, back to the end of a phrase.

    `clauses` are in order. A position past the last clause is the whole text.
    """
    before = [c for c in clauses if c.index < clause]
    current = next((c for c in clauses if c.index == clause), None)
    if current is None or ms <= 0:
        return joined(before)
    if ms >= current.duration_ms:
        return joined([*before, current])
    share = len(current.text) * ms // current.duration_ms
    ends = [end for match in _PHRASE_END.finditer(current.text) if (end := match.end()) <= share]
    if not ends:
        return joined(before)
    return joined([*before, current.model_copy(update={"text": current.text[: ends[-1]]})])
