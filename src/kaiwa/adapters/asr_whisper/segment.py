"""One segment's sound, and the decodes of it that are under way."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from kaiwa.adapters.asr_whisper.engine import Stopper
from kaiwa.adapters.asr_whisper.scheduler import Job, Scheduler, Urgency, Withdrawn
from kaiwa.adapters.asr_whisper.transcriber import Known, Transcriber
from kaiwa.domain.audio import Samples, ms_to_samples
from kaiwa.domain.speech import Partial, Transcript
from kaiwa.errors import RecogniserDown

LONGEST_SEGMENT = ms_to_samples(60_000)
"""Twice what endpointing lets through: more would be a caller's mistake that eats memory."""


class WhisperSegment:
    """Implements `ports.asr.SegmentRecognition`; `language` None is detected from this sound."""

    def __init__(
        self, scheduler: Scheduler, transcriber: Transcriber, language: str | None, prompt: str
    ) -> None:
        self._scheduler = scheduler
        self._transcriber = transcriber
        self._known = Known(language, settled=language is not None)
        self._prompt = prompt
        self._chunks: list[Samples] = []
        self._fed = 0
        self._partial: Job[Partial | None] | None = None
        self._partial_covers = 0  # samples that some partial took, or will have nothing to add to
        self._final: Job[Transcript] | None = None
        self._final_covers = 0  # samples the final took when it started

    def feed(self, samples: Samples) -> None:
        """Raises ValueError beyond LONGEST_SEGMENT."""
        self._fed += len(samples)
        if self._fed > LONGEST_SEGMENT:
            raise ValueError(f"a segment has at most {LONGEST_SEGMENT} samples")
        self._chunks.append(samples)

    async def partial(self) -> Partial | None:
        final_waits = self._final is not None and self._final.waits
        if self._fed == self._partial_covers or final_waits:
            return None
        self._drop_partial()
        stopper = self._transcriber.stopper()
        job = self._partial = Job(
            Urgency.PARTIAL, functools.partial(self._prepare_partial, stopper)
        )
        self._scheduler.submit(job)
        try:
            return await job.result(self._scheduler)
        except Withdrawn:
            return None
        finally:
            stopper.terminate = True  # nobody waits for it any more

    async def final(self, *, last: bool = True) -> Transcript:
        self._drop_partial()
        urgency = Urgency.FINAL if last else Urgency.PARTIAL  # the speaker may go on
        job = self._final
        if job is None or not self._serves(job):
            job = self._final = Job(urgency, self._prepare_final)
            self._scheduler.submit(job)
        job.urgency = min(job.urgency, urgency)
        try:
            return await job.result(self._scheduler)
        except Withdrawn:
            raise RecogniserDown("speech recognition is shut down") from None

    def leave(self) -> None:
        """Drop what waits. A decode that has begun goes on, unheard."""
        self._drop_partial()
        if self._final is not None:
            self._scheduler.withdraw(self._final)
        # They know this segment, and the circle would keep its encodings until it is collected.
        self._partial = self._final = None

    def _serves(self, final: Job[Transcript]) -> bool:
        """Whether a final that was asked for before is the final of all that is fed by now."""
        if final.failed:
            return False
        return final.waits or self._final_covers == self._fed

    def _drop_partial(self) -> None:
        if self._partial is not None:
            self._scheduler.withdraw(self._partial)

    def _prepare_partial(self, stopper: Stopper) -> Callable[[], Partial | None]:
        self._partial_covers = self._fed
        decode = self._transcriber.partial
        return functools.partial(decode, self._samples(), self._known, self._prompt, stopper)

    def _prepare_final(self) -> Callable[[], Transcript]:
        self._final_covers = self._partial_covers = self._fed
        # A partial that is still being computed goes on learning into what it was given.
        self._known = self._known.copy()
        decode = self._transcriber.final
        return functools.partial(decode, self._samples(), self._known, self._prompt)

    def _samples(self) -> Samples:
        self._chunks = [np.concatenate(self._chunks)] if self._chunks else []
        return self._chunks[0] if self._chunks else np.zeros(0, np.int16)
