"""Sound for tests: tones that the fakes take for speech, and containers made by PyAV."""

from __future__ import annotations

import io

import av
import numpy as np

from kaiwa.domain.audio import SAMPLE_RATE, Samples, ms_to_samples


def tone(ms: int) -> Samples:
    """Loud enough to be a voice for `adapters.memory.asr`."""
    time = np.arange(ms_to_samples(ms)) / SAMPLE_RATE
    return (np.sin(2 * np.pi * 220 * time) * 8_000).astype(np.int16)


def silence(ms: int) -> Samples:
    return np.zeros(ms_to_samples(ms), np.int16)


def speech(*spans: int) -> Samples:
    """Tone, silence, tone, … for so many milliseconds each."""
    parts = [tone(ms) if n % 2 == 0 else silence(ms) for n, ms in enumerate(spans)]
    return np.concatenate(parts)


def packed(samples: Samples, form: str, codec: str) -> bytes:
    """The sound in a container, as a file."""
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        rate = 48_000 if codec == "libopus" else SAMPLE_RATE
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(stream.format, "mono", rate, stream.frame_size or None)
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis, :], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            for packet in stream.encode(part):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return file.getvalue()
