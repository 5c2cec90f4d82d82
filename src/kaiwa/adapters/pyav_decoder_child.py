"""The process that decodes one recording: container bytes in, framed samples out.

Started ahead of need by `pyav_decoder`, it loads libav, gives up everything else (`sandbox`), says
READY, and waits for one line on stdin: which demuxer to pin. After that stdin is the upload; or
the line names a descriptor that was open for it from the start, and what was read of it already
(in hexadecimal): it can read that file, and open no other.
numpy stays out of here: it takes time, memory and threads.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn

import av
import av.error
import av.logging
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.stream import Discard

from kaiwa.adapters import child_frames, sandbox
from kaiwa.adapters.container_input import (
    BadInput,
    FileInput,
    InputTooBig,
    LiveInput,
    Patient,
    Readable,
    open_input,
    open_mp4,
    open_wav,
)
from kaiwa.adapters.decoder_frames import BROKEN, END, HUNGRY, SAMPLES, TOO_MUCH

SAMPLE_RATE = 16_000
MEMORY_BYTES = 256 * 1024 * 1024  # a spooled classical MP4, twice, and the decoder's buffers
CPU_SECONDS = 1_800  # many days of sound; against a loop without end
MAX_BAD_PACKETS = 50  # in a row: a second or more of MediaRecorder's sound
VAIN_BYTES = 8 * 1024 * 1024  # without one packet of sound
CUT_OFF_S = 1.0  # by how much a whole recording may be shorter than it says
RATES = range(8_000, 192_001)
CHANNELS = range(1, 9)

_NAMES = {
    "matroska": "WebM",
    "ogg": "Ogg",
    "mp4": "MP4",
    "wav": "WAV",
    "aac": "AAC",
    "flac": "FLAC",
    "mp3": "MP3",
}
_CODECS = frozenset(
    [
        "opus",
        "vorbis",
        "aac",
        "alac",
        "flac",
        "mp3",
        "mp3float",
        "pcm_u8",
        "pcm_s16le",
        "pcm_s24le",
        "pcm_s32le",
        "pcm_f32le",
        "pcm_f64le",
        "pcm_alaw",
        "pcm_mulaw",
    ]
)
_OPTIONS = {
    "probesize": "4096",
    "analyzeduration": "0",
    "protocol_whitelist": "",
    "codec_whitelist": ",".join(sorted(_CODECS)),
    "max_streams": "16",
}
_BUFFER_BYTES = 131_072

Emit = Callable[[bytes], None]


def main() -> None:
    av.logging.set_level(None)
    _warm_up()
    # libav's libraries may print, and a full or limited file behind stderr must not stop them
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stderr.fileno())
    os.close(nowhere)
    held = sandbox.confine(memory=MEMORY_BYTES, cpu_seconds=CPU_SECONDS)
    pipe = sys.stdout.buffer
    child_frames.write(pipe, child_frames.READY, json.dumps(held.as_dict()).encode())
    name, *file = _read_line().split() or [""]
    if not name:
        return  # never needed

    def hungry(consumed: int) -> None:
        child_frames.write(pipe, HUNGRY, consumed.to_bytes(8, "little"))

    def emit(samples: bytes) -> None:
        child_frames.write(pipe, SAMPLES, samples)

    if file:
        source = open_input(int(file[0]), bytes.fromhex(file[1]), hungry)
    else:
        source = LiveInput(sys.stdin.fileno(), hungry)
    with suppress(BrokenPipeError):  # the parent has gone: so do we
        try:
            decode(name, source, emit, whole=bool(file))
        except BadInput as reason:
            child_frames.write(pipe, BROKEN, str(reason).encode())
        except InputTooBig as reason:
            child_frames.write(pipe, TOO_MUCH, str(reason).encode())
        except MemoryError:
            child_frames.write(pipe, BROKEN, b"The recording needs more memory than sound does.")
        else:
            child_frames.write(pipe, END)


def decode(name: str, live: LiveInput, emit: Emit, *, whole: bool = False) -> None:
    """Decode all of `live`. Raises BadInput, InputTooBig.

    An upload that just stops (a closed browser) is not broken: what was decoded stays. A recording
    that should be `whole` is.
    """
    label = _NAMES[name]
    source = Patient(live, VAIN_BYTES)
    try:
        media, seconds = _open(name, live, source)
        with media:
            stream = _sound_of(media, label)
            if seconds is None:
                seconds = _told_seconds(media, stream)
            out = _Resampled(emit)
            try:
                for frame in _frames(media, stream):
                    source.found()
                    out.take(frame)
                damaged = source.in_vain
            except av.error.FFmpegError:
                damaged = not live.ended
            out.flush()
            if damaged:
                raise BadInput(f"The {label} sound is damaged.")
            if whole and seconds is not None and out.ended_s < seconds - CUT_OFF_S:
                lasts = timedelta(seconds=round(seconds))
                raise BadInput(f"The {label} recording is cut off; it says that it lasts {lasts}.")
    except av.error.FFmpegError:
        if live.consumed == 0:
            raise BadInput("The recording is empty.") from None
        cut = ", or ends before its header does" if live.ended or whole else ""
        raise BadInput(f"The recording is not {label} sound{cut}.") from None


def _open(name: str, live: LiveInput, patient: Patient) -> tuple[InputContainer, float | None]:
    """The recording with its demuxer pinned and every other way to open something shut; and its
    seconds, where that is known already."""
    options = dict(_OPTIONS)
    source: Readable = patient
    seconds = None
    if name == "wav":
        wav = open_wav(patient)
        _check_shape(wav.rate, wav.channels)
        name, source, seconds = wav.demuxer, wav.data, wav.seconds
        options |= {"sample_rate": str(wav.rate), "ch_layout": f"{wav.channels}C"}
    elif name == "mp4":
        source = live if isinstance(live, FileInput) else open_mp4(patient, patient.found)
    media = av.open(
        source,
        mode="r",
        format=name,
        options=options,
        metadata_errors="replace",
        buffer_size=_BUFFER_BYTES,
        io_open=_refuse,
    )
    return media, seconds


def _told_seconds(media: InputContainer, stream: AudioStream) -> float | None:
    """How long the header says that the sound is; of several streams the longest may be another."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if media.duration is not None and len(media.streams) == 1:
        return media.duration / av.time_base
    return None


def _refuse(*_: Any) -> NoReturn:
    """libav wants to open something that the recording names: a playlist's file, a URL."""
    raise BadInput("The recording points to other files, which are not opened.")


def _sound_of(media: InputContainer, label: str) -> AudioStream:
    if not media.streams.audio:
        raise BadInput(f"There is no sound in the {label} recording.")
    stream = media.streams.audio[0]
    codec = stream.codec_context
    if codec.name not in _CODECS:
        raise BadInput(f"The {label} recording is coded as {codec.name}, which is not understood.")
    codec.thread_count = 1
    for other in media.streams:
        if other is not stream:
            other.discard = Discard.all  # a film's pictures are not even read
    return stream


def _frames(media: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Decoded frames; single packets that are damaged are left out, as players do."""
    bad = 0
    for packet in media.demux(stream):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            bad += 1
            if bad > MAX_BAD_PACKETS:
                raise
            continue
        if frames:
            bad = 0
        for frame in frames:
            if isinstance(frame, AudioFrame):
                yield frame


def _check_shape(rate: int, channels: int) -> None:
    """Forged headers must not turn a few bytes into gigabytes of resampled sound."""
    if rate not in RATES or channels not in CHANNELS:
        raise BadInput(f"Sound with {channels} channels at {rate} Hz is not understood.")


class _Resampled:
    """Frames of any shape in, 16 kHz mono s16 out; swr's state spans the frames."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self.ended_s = 0.0  # by the recording's own clock

    def take(self, frame: AudioFrame) -> None:
        _check_shape(frame.sample_rate, frame.layout.nb_channels)
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:  # the first frame, or a chained Ogg stream that begins anew
            self.flush()
            self._resampler = AudioResampler("s16", "mono", SAMPLE_RATE)
            self._shape = shape
        if frame.time is not None:
            self.ended_s = frame.time + frame.samples / frame.sample_rate
        self._convert(frame)

    def flush(self) -> None:
        if self._resampler is not None:
            self._convert(None)
            self._resampler = None

    def _convert(self, frame: AudioFrame | None) -> None:
        if self._resampler is None:
            return
        for made in self._resampler.resample(frame):
            if made.samples:
                self._emit(bytes(made.planes[0])[: made.samples * 2])


def _read_line() -> str:
    """The first line of stdin without buffering what follows it; empty if there is none."""
    line = bytearray()
    while (byte := os.read(sys.stdin.fileno(), 1)) and byte != b"\n":
        line += byte
    return line.decode() if byte else ""


def _warm_up() -> None:
    """Decode a moment of silence, so that libav's tables are built and every module is imported:
    later neither can be read any more."""
    silence = bytes(2 * 4_800)
    form = struct.pack("<HHIIHH", 1, 1, 48_000, 96_000, 2, 16)
    header = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + form + b"data\0\0\0\0"
    reading, writing = os.pipe()
    try:
        os.write(writing, header + silence)
        os.close(writing)
        decode("wav", LiveInput(reading, lambda _: None), lambda _: None)
    finally:
        os.close(reading)


if __name__ == "__main__":
    main()
