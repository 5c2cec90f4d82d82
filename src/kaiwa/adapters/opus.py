"""Clips as files: Ogg Opus to keep them.

Opus works at 48 kHz in frames of 20 ms and begins 6.5 ms late; the Ogg page positions say how much
of that is sound, so that a clip comes back at its own rate with its own number of samples.
"""

from __future__ import annotations

import io

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError

from kaiwa.domain.audio import Samples, Speech
from kaiwa.errors import BrokenAudio

BIT_RATE = 32_000  # mono speech is hardly told from the original
_OPUS_RATE = 48_000
RATES = frozenset((8_000, 12_000, 16_000, 24_000, 48_000))
_SHUT = {"protocol_whitelist": ""}
_HEAD = b"OpusHead"
_RATE_AT = 12  # the input's rate, in OpusHead (RFC 7845, section 5.1)


def encode(speech: Speech) -> bytes:
    """Ogg Opus, mono, about BIT_RATE. Raises ValueError for a rate that Opus does not have, and
    where there is no sound at all."""
    if not len(speech.pcm):
        raise ValueError("there is no sound to encode")
    if speech.rate not in RATES:
        raise ValueError(f"Opus does not take {speech.rate} Hz")
    file = io.BytesIO()
    with av.open(file, mode="w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=speech.rate, layout="mono")
        stream.bit_rate = BIT_RATE
        frame = AudioFrame.from_ndarray(speech.pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = speech.rate
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def decode(ogg: bytes) -> Speech:
    """What `encode` was given, as far as Opus keeps it. Raises BrokenAudio."""
    head = ogg.find(_HEAD)
    if head < 0 or len(ogg) < head + _RATE_AT + 4:
        raise BrokenAudio("The clip is not Ogg Opus.")
    rate = int.from_bytes(ogg[head + _RATE_AT : head + _RATE_AT + 4], "little")
    if rate not in RATES:
        raise BrokenAudio(f"The clip says that it was made of sound at {rate} Hz.")
    resampler = AudioResampler("s16", "mono", rate)
    parts: list[Samples] = []
    decoded = 0
    try:
        with av.open(io.BytesIO(ogg), "r", format="ogg", options=_SHUT) as file:
            for frame in file.decode(audio=0):
                decoded += frame.samples
                parts += [_samples(made) for made in resampler.resample(frame)]
        if decoded:
            parts += [_samples(made) for made in resampler.resample(None)]
    except FFmpegError:
        raise BrokenAudio("The clip is not Ogg Opus.") from None
    pcm = np.concatenate(parts) if parts else np.zeros(0, np.int16)
    return Speech(pcm[: decoded * rate // _OPUS_RATE], rate)


def _samples(frame: AudioFrame) -> Samples:
    return np.asarray(frame.to_ndarray().reshape(-1), np.int16)
