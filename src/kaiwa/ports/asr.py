"""Recognition: sound of one segment in, text out."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from kaiwa.domain.audio import Samples
from kaiwa.domain.speech import Partial, Transcript


class SegmentRecognition(Protocol):
    """The recognition of one segment (a stretch of speech bounded by voice activity)."""

    def feed(self, samples: Samples) -> None:
        """Add sound, in order. Never blocks; nothing is decoded here."""

    async def partial(self) -> Partial | None:
        """The text of what was fed so far, or None if there is nothing new or a guard fired.

        A cheap pass; it may be skipped when the machine is busy. Raises RecogniserDown.
        """

    async def final(self, *, last: bool = True) -> Transcript:
        """The clean text of everything fed; empty where nothing was said. Raises RecogniserDown.

        `last=False` is the eager final, which more sound may follow: an engine that computes here
        does the whole work now, and the next call with nothing fed in between shares it; an engine
        that can end its input only once says what it has so far. After `last=True` nothing may be
        fed. `language` is what was given or detected, "und" if neither.
        """


class Recogniser(Protocol):
    """An engine. One serves every capture of the process."""

    def segment(
        self, *, language: str | None, prompt: str = ""
    ) -> AbstractAsyncContextManager[SegmentRecognition]:
        """Open the recognition of one segment.

        `language` is ISO 639-1, None detects it for this segment alone. `prompt` is earlier text
        of the same talk and language, to carry names over. Entering raises RecogniserDown where
        nobody answers; leaving the block drops pending work.
        """

    async def ready(self) -> None:
        """Return when the engine can serve; raises RecogniserDown with the reason if it cannot."""

    async def close(self) -> None: ...
