"""Frames between `voice_process` and its child (see `child_frames`)."""

from __future__ import annotations

import struct

LOAD, SPEAK = b"l", b"s"
"""Requests: JSON {number, engine} and {number, engine, voice, text, speed, pitch}."""

ABORT = b"x"
"""A request is no longer wanted: its number in JSON. It is still answered."""

ANSWER, FAILED, ABORTED = b"a", b"f", b"x"
"""Answers: SOUND and 16-bit samples (none after LOAD); a sentence; nothing."""

SOUND = struct.Struct("<I")
"""The rate in Hz."""
