"""Whisper on onnxruntime: the engine for processors. The graphs are in `graphs`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from kaiwa.adapters.asr_whisper import alignment, weights
from kaiwa.adapters.asr_whisper.engine import (
    FRAME_S,
    POSITIONS,
    SETTLE_S,
    Decode,
    Draft,
    Frontend,
    Stopper,
    seconds,
)
from kaiwa.adapters.asr_whisper.graphs import decoder_model, encoder_model
from kaiwa.domain.audio import Samples
from kaiwa.domain.speech import Word

_MULTILINGUAL = 51_865  # tokens; the English models have one less
_OUTPUTS = ["best", "logprob", "attention", "logits"]
_NEVER = -1e9
_GUESS = 12  # tokens; more than are right on the average

F32 = npt.NDArray[np.float32]
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(slots=True)
class _Pass:
    """What one run of the decoder says: for each row it was asked about the best token and its
    log-probability, the attention of every token, and the first row's logits."""

    best: npt.NDArray[np.int64]
    logprob: F32
    attention: F32
    logits: F32


@dataclass(frozen=True, slots=True)
class _Encoded:
    """What the encoder makes of some sound: `own` is what it attends to itself, `cross` what the
    decoder does. The first `settled` places have SETTLE_S of sound behind them."""

    own: Arrays
    cross: Arrays
    settled: int

    def first(self, places: int) -> Arrays:
        """The first places of all of it, as the encoder takes them."""
        own = {f"past_{name}": array[:, :places] for name, array in self.own.items()}
        keys = {f"past_{n}": a[..., :places] for n, a in self.cross.items() if n[0] == "k"}
        values = {f"past_{n}": a[:, :, :places] for n, a in self.cross.items() if n[0] == "v"}
        return own | keys | values


class OnnxEngine:
    """Implements `engine.Engine`.

    Raises ValueError or OSError when `model_dir` holds no usable model.
    """

    def __init__(self, model_dir: Path, *, threads: int) -> None:
        stored = weights.read(model_dir)
        self._layers = stored.layers[1]
        self._empty = np.zeros((1, stored.heads, 0, stored.width // stored.heads), np.float32)
        self.multilingual = stored.vocabulary >= _MULTILINGUAL
        self._frontend = Frontend(model_dir, stored.mels, multilingual=self.multilingual)
        some = self._frontend.tokenizer("en")
        self._end: int = some.eot
        suppressed = {*stored.config.get("suppress_ids", ()), *range(some.eot, stored.vocabulary)}
        suppressed.discard(some.eot)
        self._encoder = _session(encoder_model(stored), threads)
        self._decoder = _session(decoder_model(stored, sorted(suppressed)), threads)
        own = np.zeros((1, 0, stored.width), np.float32)
        cross = {"k": self._empty.transpose(0, 1, 3, 2), "v": self._empty}
        self._unheard = _Encoded(
            {f"own_{kind}.{n}": own for n in range(stored.layers[0]) for kind in "kv"},
            {f"{kind}.{n}": cross[kind] for n in range(self._layers) for kind in "kv"},
            settled=0,
        )
        self._next = [f"next_{kind}.{n}" for n in range(self._layers) for kind in "kv"]
        self._past = [name.replace("next", "past") for name in self._next]

    def stopper(self) -> Stopper:
        stopper: Stopper = onnxruntime.RunOptions()
        return stopper

    def encode(
        self,
        samples: Samples,
        window_s: float,
        *,
        before: _Encoded | None = None,
        settle_s: float = SETTLE_S,
        stopper: Stopper | None = None,
    ) -> _Encoded:
        before = before or self._unheard
        kept = min(before.settled, _places(seconds(samples) - settle_s))
        skip = min(kept, 1)
        mel = self._frontend.mel(samples, window_s)[:, :, 2 * (kept - skip) :]
        feed = {"mel": mel, "skip": np.array([skip], np.int64)} | before.first(kept)
        names = [*before.own, *before.cross]
        arrays = dict(zip(names, self._encoder.run(names, feed, stopper), strict=True))
        own = {name: arrays[name] for name in before.own}
        cross = {name: arrays[name] for name in before.cross}
        return _Encoded(own, cross, _places(seconds(samples) - SETTLE_S))

    def languages(self, encoded: _Encoded) -> list[tuple[str, float]]:
        tokenizer = self._frontend.tokenizer("en")
        said = _Text(self, encoded).read([tokenizer.sot], [0])
        numbers = range(tokenizer.sot + 1, tokenizer.translate)
        shares = _softmax(said.logits[numbers.start : numbers.stop])
        codes = [tokenizer.tokenizer.id_to_token(number)[2:-2] for number in numbers]
        return sorted(zip(codes, shares.tolist(), strict=True), key=lambda pair: -pair[1])

    def decode(
        self,
        encoded: _Encoded,
        *,
        language: str,
        prompt: str,
        draft: Draft,
        max_tokens: int,
        speech_s: float | None,
        stopper: Stopper | None = None,
    ) -> Decode:
        tokenizer = self._frontend.tokenizer(language)
        start, first = self._frontend.start(language, prompt)
        limit = min(max_tokens, POSITIONS // 2, POSITIONS - len(start))
        drafted = list(draft.tokens[: limit - 1])
        sure = min(draft.sure, len(drafted))
        text = _Text(self, encoded, stopper)
        last = len(start) - 1
        asked = [first, *range(last + sure, last + len(drafted) + 1)]
        said = text.read([*start, *drafted], asked)
        no_speech = float(_softmax(said.logits)[tokenizer.no_speech])
        best, logprob = said.best[1:].tolist(), said.logprob[1:].tolist()
        looks = said.attention[:, last + sure :]
        tokens = drafted[:sure]
        logprobs = [0.0] * sure
        attention = [said.attention[:, last : last + sure]]
        guess = drafted[sure:]
        while True:
            kept = next((n for n, token in enumerate(guess) if token != best[n]), len(guess))
            tokens += guess[:kept]
            logprobs += logprob[:kept]
            attention.append(looks[:, : kept + 1])
            text.forget(len(start) + len(tokens))
            token, chance = best[kept], logprob[kept]
            if token == self._end or len(tokens) >= limit:
                break
            tokens.append(token)
            logprobs.append(chance)
            guess = _continued(drafted, tokens)[: limit - len(tokens)]
            said = text.read([token, *guess], range(len(guess) + 1))
            best, logprob, looks = said.best.tolist(), said.logprob.tolist(), said.attention
        words: tuple[Word, ...] = ()
        if speech_s is not None:
            looked = np.concatenate(attention, axis=1)[..., : max(1, round(speech_s / FRAME_S))]
            words = alignment.words(looked, tokens, logprobs, tokenizer)
        return Decode(
            text=tokenizer.decode(tokens).strip(),
            tokens=tuple(tokens),
            logprob=float(np.mean([*logprobs[sure:], chance])),
            no_speech=no_speech,
            capped=len(tokens) >= limit,
            confidence=self._frontend.confidence(language, tokens, logprobs),
            words=words,
        )


def _places(sound_s: float) -> int:
    """How many places of the encoder's output lie in so much sound."""
    return max(0, round(sound_s / FRAME_S))


def _continued(draft: Sequence[int], tokens: Sequence[int]) -> list[int]:
    """How the draft went on where it said the last two tokens; the hearings often meet again."""
    for at in range(len(draft) - 2, 0, -1):
        if draft[at] == tokens[-1] and tokens[-2:-1] == [draft[at - 1]]:
            return list(draft[at + 1 : at + 1 + _GUESS])
    return []


class _Text:
    """The decoder's memory of one text."""

    def __init__(
        self, engine: OnnxEngine, encoded: _Encoded, stopper: Stopper | None = None
    ) -> None:
        self._engine = engine
        self._stopper = stopper
        self._encoded = encoded
        self._length = 0
        self._past: Arrays = dict.fromkeys(engine._past, engine._empty)

    def read(self, tokens: Sequence[int], rows: Sequence[int]) -> _Pass:
        """Go on with tokens, and predict what comes behind those that `rows` counts."""
        engine, count, length = self._engine, len(tokens), self._length
        inputs: Arrays = {
            "tokens": np.array([tokens], np.int64),
            "positions": np.arange(length, length + count, dtype=np.int64),
            "mask": np.triu(np.full((count, length + count), _NEVER, np.float32), length + 1),
            "rows": np.array(rows, np.int64),
        }
        feed = inputs | self._encoded.cross | self._past
        best, logprob, attention, logits, *past = engine._decoder.run(
            [*_OUTPUTS, *engine._next], feed, self._stopper
        )
        self._past = dict(zip(engine._past, past, strict=True))
        self._length += count
        return _Pass(best, logprob, attention, logits)

    def forget(self, length: int) -> None:
        """Keep the first `length` tokens."""
        if length < self._length:
            self._past = {name: array[:, :, :length] for name, array in self._past.items()}
            self._length = length


def _session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _softmax(logits: F32) -> F32:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum(), np.float32)
