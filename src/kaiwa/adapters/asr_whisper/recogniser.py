"""The port `Recogniser` over a Whisper model in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from kaiwa.adapters.asr_whisper.ctranslate2_engine import CTranslate2Engine, has_gpu
from kaiwa.adapters.asr_whisper.engine import LANGUAGES, Engine
from kaiwa.adapters.asr_whisper.onnx_engine import OnnxEngine
from kaiwa.adapters.asr_whisper.scheduler import Scheduler
from kaiwa.adapters.asr_whisper.segment import WhisperSegment
from kaiwa.adapters.asr_whisper.transcriber import LIKELY, Transcriber
from kaiwa.errors import RecogniserDown

DEFAULT_THREADS = 2
AT_ONCE = 2
"""Decodes at the same time. On two cores the two threads of one decode are idle a third of the
time, and two decodes at once take 1.5 times as long as one."""
LOADING = 2.0
"""Memory at the height of loading, as a multiple of the weights' file (half precision) …"""
WORKING_BYTES = 500_000_000
"""… and what comes on top whatever its size."""
MODEL_FILES = ("model.bin", "config.json", "tokenizer.json")


class WhisperRecogniser:
    """Embedded recognition; belongs to one event loop.

    `threads` are the cores one decode uses. `likely` are the languages (ISO 639-1) that a segment
    too short for detection is taken to be in, when none was given.
    """

    def __init__(
        self,
        model_dir: Path,
        *,
        threads: int = DEFAULT_THREADS,
        likely: Sequence[str] = LIKELY,
    ) -> None:
        self._model_dir = model_dir
        self._threads = threads
        self._likely = likely
        self._scheduler = Scheduler(AT_ONCE)
        self._loading = asyncio.Lock()
        self._transcriber: Transcriber | None = None

    async def ready(self) -> None:
        """Load the model, once. Raises RecogniserDown if the folder holds none that works."""
        await self._loaded()

    async def _loaded(self) -> Transcriber:
        async with self._loading:
            if self._transcriber is None:
                self._transcriber = await self._scheduler.run(self._load)
            return self._transcriber

    def _load(self) -> Transcriber:
        missing = [name for name in MODEL_FILES if not (self._model_dir / name).is_file()]
        if missing:
            raise RecogniserDown(f"the speech model in {self._model_dir} has no {missing[0]}")
        self._check_memory()
        try:
            engine: Engine
            if has_gpu():
                engine = CTranslate2Engine(self._model_dir)
            else:
                engine = OnnxEngine(self._model_dir, threads=self._threads)
        except Exception as failure:  # onnxruntime has classes of its own, which it does not export
            raise RecogniserDown(
                f"the speech model in {self._model_dir} cannot be loaded: {failure}"
            ) from failure
        return Transcriber(engine, self._likely)

    def _check_memory(self) -> None:
        needed = LOADING * (self._model_dir / "model.bin").stat().st_size + WORKING_BYTES
        free = psutil.virtual_memory().available
        if needed > free:
            raise RecogniserDown(
                f"the speech model in {self._model_dir} needs {needed / 1e9:.1f} GB of memory to "
                f"load and {free / 1e9:.1f} GB are free; choose a smaller one with KAIWA_ASR_MODEL"
            )

    @asynccontextmanager
    async def segment(
        self, *, language: str | None, prompt: str = ""
    ) -> AsyncIterator[WhisperSegment]:
        """See `ports.asr`. Entering waits for the model, if `ready` was not called before.

        A language that Whisper does not know is detected, as if none was given.
        """
        transcriber = await self._loaded()
        known = language if language in LANGUAGES else None
        segment = WhisperSegment(self._scheduler, transcriber, known, prompt)
        try:
            yield segment
        finally:
            segment.leave()

    async def close(self) -> None:
        await self._scheduler.close()
