"""Frames between `voice_process` and its child (see `child_frames`)."""

from __future__ import annotations

import struct

LOAD, SPEAK = b"l", b"s"
"""Requests: JSON {number, engine} and {number, engine, voice, text, speed, pitch}."""

ABORT = b"x"
"""A request is no longer wanted: its number in JSON. It is still answered."""

ANSWER, FAILED, ABORTED = b"a", b"f", b"x"
"""Answers: NUMBER, and then SOUND and 16-bit samples (none after LOAD); a sentence; nothing."""

NUMBER = struct.Struct("<Q")
"""Which request is answered."""

SOUND = struct.Struct("<I")
"""The rate in Hz."""

AT_ONCE = 2
"""Requests that are served at the same time. On two cores Kokoro makes two clauses in the time of
one, and one alone takes as long as it sounds."""
