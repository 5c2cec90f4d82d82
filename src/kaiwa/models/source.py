"""What the store asks of a source of weights.

A source only brings bytes, and keeps what it has brought so far in a folder of parts, so that a
later try goes on from there. Whether the bytes are the publisher's is the store's business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CHUNK_BYTES = 1 << 20  # read, hashed and written at once; larger gains nothing measurable

Advance = Callable[[int], None]
"""Told of bytes as they come; negative when bytes already told of had to be thrown away."""


@dataclass(frozen=True)
class ModelFile:
    """One file of a model as its publisher made it; `sha256` in lower-case hex, `size` in bytes."""

    name: str
    sha256: str
    size: int


class SourceFailed(Exception):
    """This source cannot bring the files; the text says why and what a person can do.

    It never leaves the store: a pull that no source can serve ends in `ModelUnavailable`.
    """


class Source(Protocol):
    """One place that a model's files can come from."""

    @property
    def kind(self) -> str:
        """A short word, used as the name of its folder of parts."""

    @property
    def label(self) -> str:
        """What people call this source."""

    def bytes_to_fetch(self, files: Sequence[ModelFile]) -> int:
        """The whole download for `files`, as it travels."""

    def bytes_here(self, files: Sequence[ModelFile], parts: Path) -> int:
        """How much of that an earlier try has left in `parts`."""

    def fetch(self, files: Sequence[ModelFile], parts: Path, advance: Advance) -> None:
        """Bring all that `files` need into `parts`, from where the last try stopped.

        Raises `SourceFailed`, or `DigestMismatch` where a part has a digest of its own.
        """

    def chunks(self, file: ModelFile, parts: Path) -> Iterator[bytes]:
        """The bytes of `file`, in order, out of what `fetch` brought; raises `SourceFailed`."""


def read_chunks(path: Path) -> Iterator[bytes]:
    """A file's bytes without holding them all."""
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def sha256_of(path: Path) -> str:
    """The digest of a file, in lower-case hex."""
    digest = hashlib.sha256()
    for chunk in read_chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


def size_of(path: Path) -> int:
    """A file's size in bytes; 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def human_bytes(count: float) -> str:
    """Decimal units, as disks and connections are sold: `145.2 MB`."""
    for unit in ("B", "kB", "MB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"
