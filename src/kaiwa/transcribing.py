"""`kaiwa transcribe`: a recording becomes text, as fast as the machine goes."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from kaiwa.domain.audio import MAGIC_BYTES, Samples, container_by_content, samples_to_ms
from kaiwa.domain.speech import Hypothesis, Transcript, Word
from kaiwa.errors import BadRequest, BrokenAudio, KaiwaError, NotFound, TooMuch, UnsupportedMedia
from kaiwa.pipeline.hearing import Expected, Hearing
from kaiwa.policy.endpointing import SegmentEnded
from kaiwa.policy.subtitles import VTT_HEAD, Cue, split, srt, vtt_cues
from kaiwa.ports.asr import Recogniser
from kaiwa.ports.decoder import Decoder, Recording
from kaiwa.ports.vad import VoiceActivityFactory

CONTAINERS: Final = "WAV, MP3, FLAC, AAC, Ogg, MP4 (M4A, MOV) or WebM (MKV)"
STANDARD_INPUT: Final = Path("-")


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
    """Tells what is said, once it is certain."""

    def __init__(
        self,
        recogniser: Recogniser,
        vad: VoiceActivityFactory,
        language: str | None,
        on_said: Callable[[Said], None],
    ) -> None:
        super().__init__(recogniser, vad)
        self._language = language
        self._on_said = on_said

    def needs_hypotheses(self) -> bool:
        return False

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
        self._on_said(Said(*times, said.text, said.language, said.confidence, words))

    async def on_nothing(self, ended: SegmentEnded, *, shown: bool) -> None:
        """Nothing to tell."""

    async def on_settled(self, offset: int) -> None:
        """Nothing to tell."""


@contextmanager
def opened(file: Path) -> Iterator[Recording]:
    """The file, or standard input for "-"; waits for a pipe's first bytes.

    Raises NotFound, BadRequest (it cannot be read), UnsupportedMedia.
    """
    with _reason(file):
        source = _source(file)
    with source:
        with _reason(file):
            head = source.read(MAGIC_BYTES)
            while len(head) < MAGIC_BYTES and (more := source.read(MAGIC_BYTES - len(head))):
                head += more
        container = container_by_content(head)
        if container is None:
            raise UnsupportedMedia(f"{named(file)} is no recording in {CONTAINERS}")
        yield Recording(source.fileno(), head, container)


def _source(file: Path) -> io.FileIO:
    if file != STANDARD_INPUT:
        return io.FileIO(file)
    if sys.stdin is None or sys.stdin.isatty():
        raise BadRequest("there is no recording on standard input; pipe one into it")
    source = io.FileIO(os.dup(sys.stdin.fileno()))  # 0 itself is another file in a child
    os.set_blocking(source.fileno(), True)
    return source


@contextmanager
def _reason(file: Path) -> Iterator[None]:
    """Why it cannot be read, as an error of ours."""
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"there is no file {file}") from None
    except OSError as error:
        raise BadRequest(f"{named(file)} cannot be read: {error.strerror}") from error


def named(file: Path) -> str:
    """What people call it."""
    return "standard input" if file == STANDARD_INPUT else str(file)


async def transcribe(
    recording: Recording,
    *,
    recogniser: Recogniser,
    vad: VoiceActivityFactory,
    decoder: Decoder,
    language: str | None,
    on_said: Callable[[Said], None],
    on_heard: Callable[[int], None],
) -> None:
    """Tell what is said in the recording; `on_heard` is told up to which millisecond it was heard.

    Raises RecogniserDown; BrokenAudio and TooMuch once all that could be read was told.
    """
    transcription = Transcription(recogniser, vad, language, on_said)
    damage: KaiwaError | None = None
    async with transcription.working(), decoder.open_file(recording) as blocks:
        try:
            async for block in blocks:
                await transcription.hear(block)
                on_heard(samples_to_ms(transcription.position))
        except (BrokenAudio, TooMuch) as error:
            damage = error
        await transcription.flush()
    if damage is not None:
        raise damage


FORMS: Final = ("txt", "srt", "vtt", "json")
_HEADS: Final = {"vtt": VTT_HEAD, "json": "["}
_FEET: Final = {"json": "\n]\n"}


class Text:
    """What is said, in one of FORMS: `head`, then what `added` gives, then `foot`."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._said = self._cues = 0
        self.head = _HEADS.get(form, "")
        self.foot = _FEET.get(form, "")

    def added(self, said: Said) -> str:
        cues = split(Cue(said.start_ms, said.end_ms, said.text), said.words)
        self._said += 1
        self._cues += len(cues)
        match self._form:
            case "srt":
                return srt(cues, first=self._cues - len(cues) + 1)
            case "vtt":
                return vtt_cues(cues)
            case "json":
                comma = "," if self._said > 1 else ""
                return f"{comma}\n{json.dumps(asdict(said), ensure_ascii=False)}"
            case _:
                return f"{said.text}\n"
