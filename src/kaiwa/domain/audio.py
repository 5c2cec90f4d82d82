"""Sound as the pipeline carries it: 16 kHz, mono, signed 16-bit."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16_000
FRAME_SAMPLES = 512  # what Silero looks at: 32 ms

Samples = npt.NDArray[np.int16]
"""Shape (samples,), 16 kHz mono."""


def samples_to_ms(samples: int) -> int:
    return samples * 1000 // SAMPLE_RATE


def ms_to_samples(ms: int) -> int:
    return ms * SAMPLE_RATE // 1000


def as_float(samples: Samples) -> npt.NDArray[np.float32]:
    """The same sound in [-1, 1), as recognisers want it."""
    return samples.astype(np.float32) / 32768.0


class Container(Enum):
    """What sound may be wrapped in; the value is the demuxer that is pinned for it.

    AAC, FLAC and MP3 are for files on this machine: no browser records them.
    """

    WEBM = "matroska"
    OGG = "ogg"
    MP4 = "mp4"
    WAV = "wav"
    L16 = "s16le"
    AAC = "aac"
    FLAC = "flac"
    MP3 = "mp3"


_MEDIA_TYPES = {
    "audio/webm": Container.WEBM,
    "video/webm": Container.WEBM,
    "audio/ogg": Container.OGG,
    "audio/mp4": Container.MP4,
    "audio/x-m4a": Container.MP4,
    "audio/wav": Container.WAV,
    "audio/wave": Container.WAV,
    "audio/x-wav": Container.WAV,
    "audio/l16": Container.L16,
}

MEDIA_TYPES = tuple(_MEDIA_TYPES)
MAGIC_BYTES = 12  # what tells a container from another
_MAGIC = {
    b"\x1aE\xdf\xa3": Container.WEBM,
    b"OggS": Container.OGG,
    b"RIFF": Container.WAV,
    b"RF64": Container.WAV,
    b"fLaC": Container.FLAC,
    b"ID3": Container.MP3,
}
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide")  # QuickTime's files may begin with any of them
_SYNC, _LAYER = 0xE0, 0x06  # bits of the second byte of an MPEG frame; AAC's has no layer


def container_of(content_type: str) -> Container | None:
    """The container a Content-Type names, or None if it is not on the list.

    L16 must be 16 kHz mono (the defaults when the parameters are left out).
    """
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    container = _MEDIA_TYPES.get(media_type)
    if container is Container.L16:
        given = dict(part.split("=", 1) for part in parameters if "=" in part)
        if given.get("rate", "16000") != "16000" or given.get("channels", "1") != "1":
            return None
    return container


def container_by_content(head: bytes) -> Container | None:
    """The container that begins with these bytes (MAGIC_BYTES suffice), if it is on the list."""
    if head[4:8] in _MP4_BOXES:
        return Container.MP4
    if len(head) > 1 and head[0] == 0xFF and head[1] & _SYNC == _SYNC:
        return Container.MP3 if head[1] & _LAYER else Container.AAC
    return next((found for magic, found in _MAGIC.items() if head.startswith(magic)), None)


@dataclass(frozen=True, slots=True)
class Speech:
    """Sound a voice made: signed 16-bit mono, shape (samples,), at the engine's own rate."""

    pcm: Samples
    rate: int

    @property
    def duration_ms(self) -> int:
        return len(self.pcm) * 1000 // self.rate


def wav(speech: Speech) -> bytes:
    """A WAV file: 16-bit, mono, at the speech's rate."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(speech.rate)
        out.writeframes(speech.pcm.astype("<i2").tobytes())
    return file.getvalue()
