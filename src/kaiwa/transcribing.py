"""`kaiwa transcribe`: a recording becomes text, as fast as the machine goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from kaiwa.domain.audio import (
    MAGIC_BYTES,
    Container,
    Samples,
    container_by_content,
    samples_to_ms,
)
from kaiwa.domain.speech import Hypothesis, Transcript, Word
from kaiwa.errors import UnsupportedMedia
from kaiwa.pipeline.hearing import Expected, Hearing
from kaiwa.pipeline.ingest import Limits, ingest
from kaiwa.policy.endpointing import SegmentEnded
from kaiwa.policy.subtitles import Cue, split, srt, vtt
from kaiwa.ports.asr import Recogniser
from kaiwa.ports.decoder import Decoder
from kaiwa.ports.vad import VoiceActivityFactory

CONTAINERS: Final = "WAV, MP3, FLAC, AAC, Ogg, MP4 (M4A, MOV) or WebM (MKV)"
READ_BYTES: Final = 32_768
LIMITS: Final = Limits(seconds=7 * 24 * 3600, bytes=2**40)


@dataclass(frozen=True, slots=True)
class Said:
    """One stretch of speech of a recording; times in milliseconds from its beginning."""

    start_ms: int
    end_ms: int
    text: str
    language: str
    confidence: float | None = None
    words: tuple[Word, ...] = ()


class Transcription(Hearing):
    """Collects what is said."""

    def __init__(
        self, recogniser: Recogniser, vad: VoiceActivityFactory, language: str | None
    ) -> None:
        super().__init__(recogniser, vad)
        self._language = language
        self.said: list[Said] = []

    async def on_speech(self, *, started: bool) -> None:
        """Nobody watches."""

    async def on_segment(self) -> Expected:
        return Expected(self._language)

    async def on_hypothesis(self, start: int, hypothesis: Hypothesis) -> None:
        """Only the final counts."""

    async def on_text(
        self, start: int, ended: SegmentEnded, said: Transcript, sound: Samples
    ) -> None:
        times = samples_to_ms(start), samples_to_ms(ended.voice_end)
        words = tuple(word.later(times[0]) for word in said.words)
        self.said.append(Said(*times, said.text, said.language, said.confidence, words))

    async def on_nothing(self, ended: SegmentEnded, *, shown: bool) -> None:
        """Nothing to collect."""

    async def on_settled(self, offset: int) -> None:
        """Nothing to collect."""


async def transcribe(
    file: Path,
    *,
    recogniser: Recogniser,
    vad: VoiceActivityFactory,
    decoder: Decoder,
    language: str | None,
    on_bytes: Callable[[int], None],
) -> list[Said]:
    """What is said in the file. `on_bytes` is told how many more bytes were read.

    Raises UnsupportedMedia, BrokenAudio, RecogniserDown.
    """
    container = await asyncio.to_thread(_container, file)
    transcription = Transcription(recogniser, vad, language)
    async with (
        transcription.working(),
        ingest(_bytes(file, on_bytes), container, decoder, LIMITS) as blocks,
    ):
        async for block in blocks:
            await transcription.hear(block)
        await transcription.flush()
    return transcription.said


def written(said: list[Said], form: str) -> str:
    """The transcript as one of FORMS."""
    cues = [
        cue
        for each in said
        for cue in split(Cue(each.start_ms, each.end_ms, each.text), each.words)
    ]
    match form:
        case "srt":
            return srt(cues)
        case "vtt":
            return vtt(cues)
        case "json":
            return json.dumps([asdict(each) for each in said], ensure_ascii=False, indent=1) + "\n"
        case _:
            return "".join(f"{each.text}\n" for each in said)


FORMS: Final = ("txt", "srt", "vtt", "json")


def _container(file: Path) -> Container:
    with file.open("rb") as opened:
        container = container_by_content(opened.read(MAGIC_BYTES))
    if container is None:
        raise UnsupportedMedia(f"{file} is no recording in {CONTAINERS}")
    return container


async def _bytes(file: Path, on_bytes: Callable[[int], None]) -> AsyncIterator[bytes]:
    opened = await asyncio.to_thread(file.open, "rb")
    try:
        while data := await asyncio.to_thread(opened.read, READ_BYTES):
            on_bytes(len(data))
            yield data
    finally:
        opened.close()
