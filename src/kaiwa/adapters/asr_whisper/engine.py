"""Whisper on CTranslate2: one decode of one piece of sound, with the context cut to size.

Whisper was trained on windows padded to 30 s, and an encoder pass over all of that padding is
most of the cost of a short utterance. CTranslate2 takes any even number of mel frames, so the
window here is the speech, a margin, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import numpy.typing as npt
import tokenizers
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer

from kaiwa.domain.audio import SAMPLE_RATE, Samples, as_float

FULL_CONTEXT_S = 30.0
"""What Whisper was trained on, and the most it can take."""
MARGIN_S = 3.0
"""Silence after the speech. Greedy, with this file's guards: 34 errors in 226 characters of
Japanese and 10 in 183 words of English, against 32 and 10 at 30 s and a third of the time.
Speech without any padding makes the decoder loop."""
FLOOR_S = 8.0
"""Windows shorter than this loop; at 5 s one-word answers came out twice (待て待て, "No. No.")."""

POSITIONS = 448
"""The decoder's positions: prompt and text together."""
PROMPT_TOKENS = POSITIONS // 2 - 1
"""How much earlier text the model was trained to see."""

_FRAMES_PER_S = 100
_HOP = SAMPLE_RATE // _FRAMES_PER_S
_FRAMES_STEP = 50  # windows come in steps of half a second, so that buffers are reused

Mel = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Decode:
    """One pass of the decoder.

    `logprob` is the mean log-probability of a token; `no_speech` the probability (0..1) of the
    token that stands for "nobody speaks"; `capped` says that the token cap ended it.
    """

    text: str
    logprob: float
    no_speech: float
    capped: bool


def context_s(speech_s: float) -> float:
    """The window, in seconds, for this much speech."""
    return min(max(speech_s + MARGIN_S, FLOOR_S), FULL_CONTEXT_S)


class Engine:
    """The model's weights and tables. Not for use from two threads at once.

    Raises RuntimeError or ValueError from CTranslate2 when `model_dir` holds no usable model.
    """

    def __init__(self, model_dir: Path, *, threads: int, device: str = "cpu") -> None:
        self._model = ctranslate2.models.Whisper(
            str(model_dir), device=device, compute_type="int8", intra_threads=threads
        )
        self._tokens = tokenizers.Tokenizer.from_file(str(model_dir / "tokenizer.json"))
        self._features = FeatureExtractor(feature_size=self._model.n_mels)
        self._tokenizers: dict[str, Tokenizer] = {}

    @property
    def multilingual(self) -> bool:
        return bool(self._model.is_multilingual)

    def encode(self, samples: Samples, window_s: float) -> ctranslate2.StorageView:
        """The encoder's view of at most 30 s of sound, padded to `window_s`."""
        frames = min(
            -(-int(window_s * _FRAMES_PER_S) // _FRAMES_STEP) * _FRAMES_STEP,
            int(FULL_CONTEXT_S * _FRAMES_PER_S),
        )
        silence = max(0, frames * _HOP - len(samples))
        mel: Mel = self._features(np.pad(as_float(samples), (0, silence)))[:, :frames]
        mel = np.ascontiguousarray(mel, dtype=np.float32)
        return self._model.encode(ctranslate2.StorageView.from_array(mel[np.newaxis]))

    def languages(self, encoded: ctranslate2.StorageView) -> list[tuple[str, float]]:
        """Languages (ISO 639-1) and their probabilities, the likeliest first."""
        [ranked] = self._model.detect_language(encoded)
        return [(token[2:-2], float(probability)) for token, probability in ranked]

    def decode(
        self,
        encoded: ctranslate2.StorageView,
        *,
        language: str,
        prompt: str,
        max_tokens: int,
        beam: int,
    ) -> Decode:
        """The text of `encoded`; `prompt` is text that went before it."""
        tokenizer = self._tokenizer(language)
        start = self._start(tokenizer, prompt)
        limit = min(max_tokens, POSITIONS // 2, POSITIONS - len(start))
        # CTranslate2 lets through min(max_length / 2, max_length - len(start)) new tokens.
        [result] = self._model.generate(
            encoded,
            [start],
            beam_size=beam,
            max_length=max(2 * limit, limit + len(start)),
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens: Sequence[int] = result.sequences_ids[0]
        return Decode(
            text=tokenizer.decode(tokens).strip(),
            logprob=float(result.scores[0]),
            no_speech=float(result.no_speech_prob),
            capped=len(tokens) >= limit,
        )

    def _tokenizer(self, language: str) -> Any:
        if language not in self._tokenizers:
            self._tokenizers[language] = Tokenizer(
                self._tokens, self.multilingual, task="transcribe", language=language
            )
        return self._tokenizers[language]

    @staticmethod
    def _start(tokenizer: Any, prompt: str) -> list[int]:
        start: list[int] = []
        if prompt:
            before = tokenizer.encode(" " + prompt.strip())[-PROMPT_TOKENS:]
            start = [tokenizer.sot_prev, *before]
        return [*start, *tokenizer.sot_sequence, tokenizer.no_timestamps]


def seconds(samples: Samples) -> float:
    return len(samples) / SAMPLE_RATE
