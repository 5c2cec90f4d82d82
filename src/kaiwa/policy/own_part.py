"""What the agent says of what a model writes: its own part alone.

Where several people talk, a prompt puts a name before everybody's words, and a small model puts one
before its answer too, or goes on with what the others might say next.
"""

from __future__ import annotations

from collections.abc import Collection

_COLONS = ":："


class OwnPart:
    """Feed it what the model writes; it gives what is to be said.

    A name at the beginning of a line is left out where it is the agent's or nothing was said
    before it; at another's `over` is set, and nothing that follows counts.
    """

    def __init__(self, agent: str, people: Collection[str], *, begun: bool = False) -> None:
        """`begun`: the model goes on with a line. Without `people` everything is said."""
        self._agent = agent
        self._labels = {name + colon for name in {agent, *people} for colon in _COLONS}
        self._looking = bool(people)
        self._line_begins = not begun
        self._said = begun
        self._held = ""  # the beginning of a line that may be a name
        self.over = False

    def feed(self, piece: str) -> str:
        """What of the text up to this piece can be said by now."""
        if not self._looking:
            return piece
        return "".join(map(self._step, piece))

    def flush(self) -> str:
        """The rest, at the end."""
        held, self._held = self._held, ""
        return "" if self.over else held

    def _step(self, char: str) -> str:
        if self.over:
            return ""
        if not self._line_begins:
            self._line_begins = char == "\n"
            return char
        if char.isspace() and not self._held.strip():
            return char
        self._held += char
        if self._held in self._labels:
            self.over = self._said and self._held[:-1] != self._agent
            self._held = ""
            return ""
        if any(label.startswith(self._held) for label in self._labels):
            return ""
        self._said, self._line_begins = True, char == "\n"
        return self.flush()
