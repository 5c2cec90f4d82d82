"""Turning what a browser or a file holds into samples, as it arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from kaiwa.domain.audio import Container, Samples


@dataclass(frozen=True, slots=True)
class Recording:
    """A file or a pipe of this machine, open for reading; `head` was read of it already."""

    descriptor: int
    head: bytes
    container: Container


class Decoding(Protocol):
    """One upload being decoded. One task writes while another reads."""

    async def write(self, data: bytes) -> None:
        """Add bytes; waits while the decoder is behind. Raises BrokenAudio once it gave up."""

    async def end(self) -> None:
        """No more bytes will come; the samples end once all is decoded."""

    def samples(self) -> AsyncIterator[Samples]:
        """Decoded sound as soon as it is there, 16 kHz mono. Raises BrokenAudio, TooMuch."""


class Decoder(Protocol):
    def open(self, container: Container) -> AbstractAsyncContextManager[Decoding]:
        """Start decoding; leaving the block ends the child process. Not for Container.L16."""

    def open_file(
        self, recording: Recording
    ) -> AbstractAsyncContextManager[AsyncIterator[Samples]]:
        """Decode it where it is, whatever its size.

        The samples end with BrokenAudio where it is damaged or cut off, which says until when it
        could be read.
        """

    async def close(self) -> None: ...
