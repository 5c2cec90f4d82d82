"""Smart Turn v3 (pipecat-ai/smart-turn, BSD-2-Clause) on onnxruntime.

Its input is what its authors trained it on: the last 8 s, silence before shorter sound, scaled to
zero mean and unit variance, as the log-mel spectrogram of Whisper: shape (1, 80, 800).
"""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from faster_whisper.feature_extractor import FeatureExtractor

from kaiwa.domain.audio import SAMPLE_RATE, Samples, as_float
from kaiwa.errors import ModelMissing

WINDOW_S: Final = 8
_WINDOW: Final = WINDOW_S * SAMPLE_RATE
_QUIET: Final = 1e-7  # keeps digital silence from being divided by zero


class SmartTurn:
    """`ports.turn.TurnDetector`; one thread, about 40 ms of it for each question."""

    def __init__(self, weights: Path) -> None:
        self._weights = weights
        self._lock = threading.Lock()
        self._session: onnxruntime.InferenceSession | None = None
        self._mel = FeatureExtractor(chunk_length=WINDOW_S)

    async def probability(self, sound: Samples) -> float:
        return await asyncio.to_thread(self._judge, sound)

    async def ready(self) -> None:
        await asyncio.to_thread(self._loaded)

    def _judge(self, sound: Samples) -> float:
        session = self._loaded()
        window = np.zeros(_WINDOW, np.float32)
        tail = as_float(sound[-_WINDOW:])
        window[_WINDOW - len(tail) :] = tail
        window = (window - window.mean()) / np.sqrt(window.var() + _QUIET)
        mel = self._mel(window, padding=0)[np.newaxis].astype(np.float32)
        (answer,) = session.run(None, {session.get_inputs()[0].name: mel})
        return float(np.ravel(answer)[0])

    def _loaded(self) -> onnxruntime.InferenceSession:
        with self._lock:
            if self._session is None:
                if not self._weights.is_file():
                    raise ModelMissing(
                        f"the turn model's weights are missing: {self._weights}; "
                        "`kaiwa models pull` gets them"
                    )
                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = options.inter_op_num_threads = 1
                options.add_session_config_entry("session.intra_op.allow_spinning", "0")
                try:
                    self._session = onnxruntime.InferenceSession(
                        str(self._weights), options, providers=["CPUExecutionProvider"]
                    )
                except Exception as error:  # its own have no class in common
                    raise ModelMissing(
                        f"the turn model's weights are damaged: {self._weights}; "
                        "`kaiwa models pull` mends them"
                    ) from error
            return self._session
