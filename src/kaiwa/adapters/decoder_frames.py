"""Frames from a decoder child to `pyav_decoder` (see `child_frames`)."""

from __future__ import annotations

SAMPLES = b"s"
"""16 kHz mono s16le."""

HUNGRY = b"h"
"""All input is consumed; how many bytes it was so far (64-bit, little-endian)."""

END, BROKEN, TOO_MUCH = b"e", b"b", b"t"
"""The last frame: all decoded; or why not, in a sentence."""
