"""The bytes of a recording as file objects that libav can read, while they are still arriving.

Runs in the decoder child; imports nothing heavy. `read(n)` returns what is there instead of
waiting for n bytes: with whole reads the first sound of a recording came two seconds late.
"""

from __future__ import annotations

import io
import os
import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

CLASSIC_MP4_BYTES = 64 * 1024 * 1024  # an hour of AAC at 128 kbit/s
_BOX_BYTES = 1024 * 1024  # the index of a fragment is a few kilobytes
_RIFF_HEADER_BYTES = 64 * 1024


class BadInput(Exception):
    """The bytes cannot be what they claim to be; the text is for people."""


class InputTooBig(Exception):
    """A stated limit was passed; the text is for people."""


class Readable(Protocol):
    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, at least one; empty at the end."""


class LiveInput:
    """A pipe. `on_hungry(consumed)` is called before each wait for more bytes; `head` are bytes
    that come before those of the pipe."""

    def __init__(
        self, descriptor: int, on_hungry: Callable[[int], None], head: bytes = b""
    ) -> None:
        self._descriptor = descriptor
        self._on_hungry = on_hungry
        self._head = head
        self.consumed = 0
        self.ended = False

    def read(self, size: int, /) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            self.consumed += len(data)
            return data
        if not select.select([self._descriptor], [], [], 0)[0]:
            self._on_hungry(self.consumed)
        data = os.read(self._descriptor, size)
        self.consumed += len(data)
        self.ended = not data
        return data


class FileInput(LiveInput):
    """A file: what its index says can be looked up where it is."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return os.lseek(self._descriptor, offset, whence)

    def tell(self) -> int:
        return self.seek(0, os.SEEK_CUR)


def open_input(descriptor: int, head: bytes, on_hungry: Callable[[int], None]) -> LiveInput:
    """What is open there already, from the beginning: `head` was read of it."""
    try:
        os.lseek(descriptor, -len(head), os.SEEK_CUR)
    except OSError:
        return LiveInput(descriptor, on_hungry, head)
    return FileInput(descriptor, on_hungry)


def read_exactly(source: Readable, size: int) -> bytes:
    """`size` bytes, fewer only at the end."""
    parts = bytearray()
    while len(parts) < size and (data := source.read(size - len(parts))):
        parts += data
    return bytes(parts)


class Patient:
    """A source that must lead to something: it ends once `limit` bytes have passed in vain.

    It does not raise: libav would go on reading, and PyAV report each exception on stderr.
    """

    def __init__(self, source: Readable, limit: int) -> None:
        self._source = source
        self._limit = limit
        self._since = 0

    def found(self) -> None:
        """What was read so far was good for something."""
        self._since = 0

    @property
    def in_vain(self) -> bool:
        return self._since > self._limit

    def read(self, size: int, /) -> bytes:
        if self.in_vain:
            return b""
        data = self._source.read(size)
        self._since += len(data)
        return data


class _Rest:
    """What is left of a source, at most `limit` bytes of it where a limit is given."""

    def __init__(self, source: Readable, limit: int | None) -> None:
        self._source = source
        self._left = limit

    def read(self, size: int, /) -> bytes:
        if self._left is None:
            return self._source.read(size)
        data = self._source.read(min(size, self._left)) if self._left else b""
        self._left -= len(data)
        return data


# --- WAV ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WavSound:
    """The inside of a WAV file: `demuxer` is libav's name for raw sound of this kind, `size` how
    many bytes of it there should be, None where whoever wrote it did not know."""

    demuxer: str
    sample_bytes: int
    rate: int
    channels: int
    size: int | None
    data: Readable

    @property
    def seconds(self) -> float | None:
        """How long it should be."""
        if self.size is None:
            return None
        return self.size / (self.rate * self.channels * self.sample_bytes)


_WAV_KINDS = {
    (1, 8): "u8",
    (1, 16): "s16le",
    (1, 24): "s24le",
    (1, 32): "s32le",
    (3, 32): "f32le",
    (3, 64): "f64le",
    (6, 8): "alaw",
    (7, 8): "mulaw",
}
"""(format tag, bits per sample) -> demuxer."""
_WAVE_FORMAT_EXTENSIBLE = 0xFFFE
_SIZE_NOT_KNOWN = 0x7FFF_0000
"""Who writes WAV to a pipe gives 0 as the size, or something from here on."""


def open_wav(source: Readable) -> WavSound:
    """Read a WAV header; the sound after it can be had as it arrives.

    libav's own WAV demuxer is not used: it waits for 64 KB (two seconds) to see whether the
    samples might be S/PDIF. Raises BadInput.
    """
    header = read_exactly(source, 12)
    if header[:4] not in (b"RIFF", b"RF64") or header[8:] != b"WAVE":
        raise BadInput("The recording is not WAV sound.")
    kind: tuple[str, int, int, int] | None = None
    budget = _RIFF_HEADER_BYTES
    while len(head := read_exactly(source, 8)) == 8:
        name, size = head[:4], int.from_bytes(head[4:], "little")
        if name == b"data":
            if kind is None:
                break
            known = size if 0 < size < _SIZE_NOT_KNOWN else None
            return WavSound(*kind, known, _Rest(source, known))
        budget -= size + size % 2
        if budget < 0:
            break
        chunk = read_exactly(source, size + size % 2)
        if name == b"fmt ":
            kind = _wav_kind(chunk)
    raise BadInput("The recording is not WAV sound, or ends before its header does.")


def _wav_kind(chunk: bytes) -> tuple[str, int, int, int]:
    """(demuxer, bytes of a sample, rate, channels) of a `fmt ` chunk."""
    if len(chunk) < 16:
        raise BadInput("The header of the WAV sound is damaged.")
    tag, channels = (int.from_bytes(chunk[at : at + 2], "little") for at in (0, 2))
    rate, bits = int.from_bytes(chunk[4:8], "little"), int.from_bytes(chunk[14:16], "little")
    if tag == _WAVE_FORMAT_EXTENSIBLE:
        tag = int.from_bytes(chunk[24:26], "little")
    demuxer = _WAV_KINDS.get((tag, bits))
    if demuxer is None:
        raise BadInput(f"WAV sound of this kind (format {tag}, {bits} bits) is not understood.")
    return demuxer, bits // 8, rate, channels


# --- MP4 ----------------------------------------------------------------------------------------

_FIRST_BOXES = frozenset((b"ftyp", b"styp", b"free", b"skip", b"wide", b"uuid", b"moov", b"mdat"))


def open_mp4(source: Readable, found: Callable[[], None]) -> Readable:
    """A file object of an MP4 stream.

    Fragmented, as MediaRecorder makes it: its boxes, as they arrive. Classical (a phone's .m4a,
    whose index may come last): all of it, seekable, once it has arrived, up to CLASSIC_MP4_BYTES.
    `found` is called for bytes that are good for something. Raises BadInput, InputTooBig.
    """
    seen = bytearray()
    while True:
        name, size, head = _box_head(source)
        seen += head
        if name not in _FIRST_BOXES:
            raise BadInput("The recording is not MP4 sound.")
        if name == b"mdat" or size is None or size > _BOX_BYTES:
            return _whole(source, seen, found)
        body = read_exactly(source, size - len(head))
        seen += body
        if name == b"moov":
            return _Fragments(source, seen) if b"mvex" in body else _whole(source, seen, found)
        if len(seen) > _BOX_BYTES:
            raise BadInput("The recording is not MP4 sound: it has no index.")


def _whole(source: Readable, seen: bytearray, found: Callable[[], None]) -> io.BytesIO:
    while data := source.read(65_536):
        found()
        seen += data
        if len(seen) > CLASSIC_MP4_BYTES:
            raise InputTooBig(
                "MP4 that is not fragmented may have "
                f"{CLASSIC_MP4_BYTES >> 20} MB in a stream; send WebM, Ogg or fragmented MP4."
            )
    return io.BytesIO(seen)


def _box_head(source: Readable) -> tuple[bytes, int | None, bytes]:
    """(name, size with its head in bytes or None for "to the end", the head itself)."""
    head = read_exactly(source, 8)
    size: int | None = int.from_bytes(head[:4], "big")
    if size == 1:
        head += read_exactly(source, 8)
        size = int.from_bytes(head[8:], "big")
    elif size == 0:
        size = None
    return head[4:8], None if size is None else max(size, len(head)), head


class _Fragments:
    """The boxes of a fragmented MP4, each index whole.

    libav steps back a few bytes inside an index, which it cannot do across two reads of a pipe;
    an index cut by a short read therefore looked broken. Sound (`mdat`) passes as it comes.
    """

    def __init__(self, source: Readable, seen: bytearray) -> None:
        self._source = source
        self._waiting = bytes(seen)
        self._passing: int | None = 0  # bytes of the present box that pass as they come

    def read(self, size: int, /) -> bytes:
        if not self._waiting and self._passing == 0:
            self._next_box()
        if self._waiting:
            data, self._waiting = self._waiting[:size], self._waiting[size:]
            return data
        if self._passing is None:
            return self._source.read(size)
        data = self._source.read(min(size, self._passing)) if self._passing else b""
        self._passing -= len(data)
        return data

    def _next_box(self) -> None:
        name, size, head = _box_head(self._source)
        self._waiting = head
        if size is None:
            self._passing = None
        elif name == b"mdat" or size > _BOX_BYTES:
            self._passing = size - len(head)
        else:
            self._waiting += read_exactly(self._source, size - len(head))
