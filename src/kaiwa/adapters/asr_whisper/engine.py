"""Whisper, one decode of one piece of sound, with the context cut to size.

Whisper was trained on windows padded to 30 s, and an encoder pass over all of that padding is
most of the cost of a short utterance. The window here is the speech, a margin, and no more. For a
hypothesis, most of the speech was encoded before: what lies a second back attends to nothing new,
and only what is newer is encoded, attending to all of it (as in the cached encoders of streaming
models, e.g. Shi et al., "Emformer", 2021, without their training).

The rest of the cost is the decoder, one step for each token. A hypothesis about a growing segment
mostly repeats the one before it, so the earlier one is a draft: one pass over all of its tokens
tells how far the decoder agrees with it, and only what comes after is decoded step by step. The
text is the one that greedy decoding would give (Leviathan et al., "Fast Inference from
Transformers via Speculative Decoding", 2023, with the past in the place of a small model).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import tokenizers
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import _LANGUAGE_CODES, Tokenizer

from kaiwa.domain.audio import SAMPLE_RATE, Samples, as_float
from kaiwa.domain.speech import Word

LANGUAGES = frozenset(_LANGUAGE_CODES)
"""What Whisper knows, as ISO 639-1 or, where there is none, ISO 639-3."""

FULL_CONTEXT_S = 30.0
"""What Whisper was trained on, and the most it can take."""
MARGIN_S = 2.0
"""Silence after the speech. 34 errors in 226 characters of Japanese and 9 in 183 words of English;
34 and 10 with 3 s, 32 and 10 at 30 s. Speech without any padding makes the decoder loop."""
FLOOR_S = 8.0
"""Windows shorter than this loop; at 5 s one-word answers came out twice (待て待て, "No. No.")."""

PARTIAL_MARGIN_S = 1.5
PARTIAL_FLOOR_S = 5.0
"""A hypothesis may loop on a short word: what it says wrong is not agreed on."""
SETTLE_S = 1.0
FINAL_SETTLE_S = 2.5
"""A hypothesis takes what was heard this long ago as it was encoded for the one before, and so does
a final what is older. Errors as without: 97 and 97 in 678 characters of Japanese, 27 and 29 in 432
words of English."""

POSITIONS = 448
"""The decoder's positions: prompt and text together."""
PROMPT_TOKENS = POSITIONS // 2 - 1
"""How much earlier text the model was trained to see."""
FRAME_S = 0.02
"""What one place of the encoder's output covers."""

_FRAMES_PER_S = 100
_HOP = SAMPLE_RATE // _FRAMES_PER_S
_FRAMES_STEP = 50  # windows come in steps of half a second, so that buffers are reused

Mel = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Decode:
    """One pass of the decoder.

    `logprob` is the mean log-probability of a token; `no_speech` the probability (0..1) of the
    token that stands for "nobody speaks"; `capped` says that the token cap ended it.
    `confidence` is the probability of each character, empty from an engine that does not tell;
    `words` are there when they were asked for.
    """

    text: str
    tokens: tuple[int, ...]
    logprob: float
    no_speech: float
    capped: bool
    confidence: tuple[float, ...] = ()
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """What the last hypothesis said. It shares its first `repeated` tokens with the one before it,
    and the first `sure` with the one before that too: nobody need look at those again."""

    tokens: tuple[int, ...] = ()
    repeated: int = 0
    sure: int = 0

    def followed_by(self, tokens: tuple[int, ...]) -> Draft:
        pairs = enumerate(zip(self.tokens, tokens, strict=False))
        shorter = min(len(self.tokens), len(tokens))
        repeated = next((n for n, (old, new) in pairs if old != new), shorter)
        return Draft(tokens, repeated, min(repeated, self.repeated))


NO_DRAFT = Draft()


class Stopper(Protocol):
    """Given to a decode, it ends it with an error once `terminate` is set, from any thread."""

    terminate: bool


class Engine(Protocol):
    """A loaded model, which several threads may use at once."""

    @property
    def multilingual(self) -> bool: ...

    def stopper(self) -> Stopper: ...

    def encode(
        self,
        samples: Samples,
        window_s: float,
        *,
        before: Any = None,
        settle_s: float = SETTLE_S,
        stopper: Stopper | None = None,
    ) -> Any:
        """The encoder's view of at most 30 s of sound, padded to `window_s`. `before` is its view
        of a beginning of the same sound, of which it may keep what lies `settle_s` back."""

    def languages(self, encoded: Any) -> list[tuple[str, float]]:
        """Languages (ISO 639-1) and their probabilities, the likeliest first."""

    def decode(
        self,
        encoded: Any,
        *,
        language: str,
        prompt: str,
        draft: Draft,
        max_tokens: int,
        speech_s: float | None,
        stopper: Stopper | None = None,
    ) -> Decode:
        """The text of `encoded`. `prompt` is text that went before it, `draft` what it may begin
        with: a help that changes nothing, but for the tokens in it that are sure. `speech_s`: words
        are wanted, within that time."""


def context_s(speech_s: float, *, partial: bool = False) -> float:
    """The window, in seconds, for this much speech."""
    margin_s, floor_s = (PARTIAL_MARGIN_S, PARTIAL_FLOOR_S) if partial else (MARGIN_S, FLOOR_S)
    return min(max(speech_s + margin_s, floor_s), FULL_CONTEXT_S)


def seconds(samples: Samples) -> float:
    return len(samples) / SAMPLE_RATE


class Frontend:
    """What every engine needs around the network: mel features before it, tokens behind it."""

    def __init__(self, model_dir: Path, mels: int, *, multilingual: bool) -> None:
        self._tokens = tokenizers.Tokenizer.from_file(str(model_dir / "tokenizer.json"))
        self._features = FeatureExtractor(feature_size=mels)
        self._multilingual = multilingual
        self._tokenizers: dict[str, Any] = {}

    def mel(self, samples: Samples, window_s: float) -> Mel:
        """[1, mels, frames] of the sound, padded with silence to the window."""
        frames = min(
            -(-int(window_s * _FRAMES_PER_S) // _FRAMES_STEP) * _FRAMES_STEP,
            int(FULL_CONTEXT_S * _FRAMES_PER_S),
        )
        silence = max(0, frames * _HOP - len(samples))
        mel = self._features(np.pad(as_float(samples), (0, silence)))[:, :frames]
        return np.ascontiguousarray(mel, dtype=np.float32)[np.newaxis]

    def tokenizer(self, language: str) -> Any:
        """faster-whisper's, for one language (ISO 639-1)."""
        if language not in self._tokenizers:
            self._tokenizers[language] = Tokenizer(
                self._tokens, self._multilingual, task="transcribe", language=language
            )
        return self._tokenizers[language]

    def confidence(
        self, language: str, tokens: Sequence[int], logprobs: Sequence[float]
    ) -> tuple[float, ...]:
        """The probability of each character of the text, without the space around it."""
        tokenizer = self.tokenizer(language)
        texts, groups = tokenizer.split_tokens_on_unicode([*tokens, tokenizer.eot])
        text = "".join(texts[:-1])
        sure: list[float] = []
        at = 0
        for part, group in zip(texts[:-1], groups[:-1], strict=True):
            probability = math.exp(min(logprobs[at : at + len(group)]))
            sure += [probability] * len(part)
            at += len(group)
        begin = len(text) - len(text.lstrip())
        return tuple(sure[begin : begin + len(text.strip())])

    def start(self, language: str, prompt: str) -> tuple[list[int], int]:
        """The tokens before the text, and the place of the one that stands for its beginning."""
        tokenizer = self.tokenizer(language)
        before: list[int] = []
        if prompt:
            earlier = tokenizer.encode(" " + prompt.strip())[-PROMPT_TOKENS:]
            before = [tokenizer.sot_prev, *earlier]
        return [*before, *tokenizer.sot_sequence, tokenizer.no_timestamps], len(before)
