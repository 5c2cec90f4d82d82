"""Whisper on CTranslate2: the engine for a GPU. (Why not for processors: see `graphs`.)"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ctranslate2
import numpy as np

from kaiwa.adapters.asr_whisper.engine import (
    FRAME_S,
    POSITIONS,
    SETTLE_S,
    Decode,
    Draft,
    Frontend,
    Stopper,
)
from kaiwa.domain.audio import Samples
from kaiwa.domain.speech import Word


def has_gpu() -> bool:
    """Whether CTranslate2 finds a CUDA device."""
    return int(ctranslate2.get_cuda_device_count()) > 0


class CTranslate2Engine:
    """Implements `engine.Engine`.

    Raises RuntimeError or ValueError from CTranslate2 when `model_dir` holds no usable model.
    """

    def __init__(self, model_dir: Path, *, device: str = "cuda") -> None:
        kind = "int8_float16" if device == "cuda" else "int8"
        self._model = ctranslate2.models.Whisper(str(model_dir), device=device, compute_type=kind)
        self.multilingual = bool(self._model.is_multilingual)
        self._frontend = Frontend(model_dir, self._model.n_mels, multilingual=self.multilingual)

    def stopper(self) -> Stopper:
        """Of no effect: CTranslate2 ends what it has begun, and a GPU is quick."""
        return SimpleNamespace(terminate=False)

    def encode(
        self,
        samples: Samples,
        window_s: float,
        *,
        before: Any = None,
        settle_s: float = SETTLE_S,
        stopper: Stopper | None = None,
    ) -> ctranslate2.StorageView:
        del before, settle_s, stopper
        mel = self._frontend.mel(samples, window_s)
        return self._model.encode(ctranslate2.StorageView.from_array(mel))

    def languages(self, encoded: ctranslate2.StorageView) -> list[tuple[str, float]]:
        [ranked] = self._model.detect_language(encoded)
        return [(token[2:-2], float(probability)) for token, probability in ranked]

    def decode(
        self,
        encoded: ctranslate2.StorageView,
        *,
        language: str,
        prompt: str,
        draft: Draft,
        max_tokens: int,
        speech_s: float | None,
        stopper: Stopper | None = None,
    ) -> Decode:
        del stopper, draft  # CTranslate2 steps through forced tokens one by one
        tokenizer = self._frontend.tokenizer(language)
        start, _ = self._frontend.start(language, prompt)
        limit = min(max_tokens, POSITIONS // 2, POSITIONS - len(start))
        # CTranslate2 lets through min(max_length / 2, max_length - len(start)) new tokens.
        [result] = self._model.generate(
            encoded,
            [start],
            beam_size=1,
            max_length=max(2 * limit, limit + len(start)),
            suppress_blank=False,
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens: list[int] = result.sequences_ids[0]
        words: tuple[Word, ...] = ()
        if speech_s is not None and tokens:
            words = self._words(encoded, tokenizer, tokens, speech_s)
        return Decode(
            text=tokenizer.decode(tokens).strip(),
            tokens=tuple(tokens),
            logprob=float(result.scores[0]),
            no_speech=float(result.no_speech_prob),
            capped=len(tokens) >= limit,
            words=words,
        )

    def _words(
        self, encoded: Any, tokenizer: Any, tokens: list[int], speech_s: float
    ) -> tuple[Word, ...]:
        places = round(speech_s / FRAME_S)
        [aligned] = self._model.align(encoded, tokenizer.sot_sequence, [tokens], 2 * places)
        starts = np.full(len(tokens) + 1, places)
        for token, place in reversed(aligned.alignments):
            starts[token] = place
        times = np.round(starts * FRAME_S * 1000).astype(int).tolist()
        texts, groups = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
        words: list[Word] = []
        at = 0
        for text, group in zip(texts[:-1], groups[:-1], strict=True):
            behind = at + len(group)
            sure = float(np.mean(aligned.text_token_probs[at:behind]))
            words.append(Word(text, times[at], times[behind], sure))
            at = behind
        return tuple(words)
