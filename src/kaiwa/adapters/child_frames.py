"""What a child process of kaiwa and its parent say to each other, over pipes.

A frame is one letter, a little-endian 32-bit length and that many bytes. Standard library only:
children that must start fast import this.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

HEADER = struct.Struct("<cI")
READY = b"r"
"""The first frame of every child; its payload is what the child has to say about itself."""


def pack(kind: bytes, payload: bytes = b"") -> bytes:
    return HEADER.pack(kind, len(payload)) + payload


def write(stream: BinaryIO, kind: bytes, payload: bytes = b"") -> None:
    """Blocks until the parent has room. Raises BrokenPipeError when the parent is gone."""
    stream.write(pack(kind, payload))
    stream.flush()


def read(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """The next (kind, payload), or None at the end of the stream, whole or not."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    kind, length = HEADER.unpack(header)
    payload = stream.read(length)
    return (kind, payload) if len(payload) == length else None
