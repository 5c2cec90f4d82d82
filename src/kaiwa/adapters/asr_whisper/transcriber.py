"""From the sound of a segment to text that can be shown: window, language, decode, guards.

Everything here computes, in a thread of the scheduler's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kaiwa.adapters.asr_whisper.engine import (
    FINAL_SETTLE_S,
    FULL_CONTEXT_S,
    NO_DRAFT,
    SETTLE_S,
    Decode,
    Draft,
    Engine,
    Stopper,
    context_s,
    seconds,
)
from kaiwa.adapters.asr_whisper.guards import Verdict, is_led, judge, token_cap, without_subtitles
from kaiwa.domain.audio import FRAME_SAMPLES, SAMPLE_RATE, Samples, samples_to_ms
from kaiwa.domain.speech import Partial, Transcript, Word
from kaiwa.policy.agreement import join

LEAST_SPEECH_S = 0.1
"""Less sound than this holds no word."""
SURE_LANGUAGE = 0.8
"""A detected language this probable is believed, and kept for the rest of its segment …"""
SURE_LANGUAGE_S = 1.5
"""… if at least this much was heard."""
SHORT_S = 3.0
"""On less sound than this detection guesses (うん was Arabic, Telugu and Japanese; いいえ was
Chinese with 0.48), so an unsure guess is taken from the likely languages alone."""
LIKELY = ("ja", "en")
LONGEST_PIECE_S = 28.0
"""Longer sound is cut for the model at its quietest frame in the last `_CUT_SEARCH_S`."""
_CUT_SEARCH_S = 4.0

_DETECTABLE = (
    "ar bg bn ca cs da de el en es et fa fi fr gu he hi hr hu id it ja kn ko lt lv ml mr ms my ne "
    "nl no pa pl pt ro ru sk sl sq sr sv sw ta te th tl tr uk ur vi yue zh"
)
DETECTABLE = frozenset(_DETECTABLE.split())
"""Languages that detection may answer. Left out are those that short or noisy sound is often
mistaken for (Latin, Welsh, Nynorsk, Maori, Javanese, Hawaiian …); they can be asked for."""


@dataclass(slots=True)
class Known:
    """What the decodes of one segment learnt.

    `language` is None until one was detected, and `settled` once it will not change. `drafts` are
    the last good texts of each piece, `views` what the encoder made of its sound.
    """

    language: str | None
    settled: bool
    drafts: dict[int, Draft] = field(default_factory=dict)
    views: dict[int, Any] = field(default_factory=dict)

    def copy(self) -> Known:
        """For a decode while another one still learns into this."""
        return replace(self, drafts=dict(self.drafts), views=dict(self.views))

    def forget(self, piece: int) -> None:
        """What was learnt of a piece led to nothing good."""
        self.drafts.pop(piece, None)
        self.views.pop(piece, None)


@dataclass(frozen=True, slots=True)
class _Context:
    """What stands around one decode: the text before it, the number of its piece in the segment,
    and whether it is to be shown for good."""

    prompt: str
    piece: int
    final: bool
    stopper: Stopper | None = None


_NOTHING = Decode("", (), 0.0, 1.0, capped=False)


class Transcriber:
    """Decodes that are guarded. `likely`: what short sound is, unless it clearly is not."""

    def __init__(self, engine: Engine, likely: Sequence[str] = LIKELY) -> None:
        self._engine = engine
        self._likely = frozenset(likely)

    def stopper(self) -> Stopper:
        """For one `partial`."""
        return self._engine.stopper()

    def partial(
        self, samples: Samples, known: Known, prompt: str, stopper: Stopper | None = None
    ) -> Partial | None:
        """The text so far, or None if a guard fired. Writes what it learns into `known`."""
        text = ""
        confidence: list[float] = []
        for number, piece in enumerate(_pieces(samples)):
            context = _Context(join(prompt, text), number, final=False, stopper=stopper)
            said = self._decode(piece, known, context)
            if said is None:
                return None
            text = join(text, said.text)
            space = [1.0] * (len(text) - len(confidence) - len(said.text))
            confidence += [*space, *said.confidence]
        if not text:
            return None
        return Partial(text, tuple(confidence) if len(confidence) == len(text) else ())

    def final(self, samples: Samples, known: Known, prompt: str) -> Transcript:
        """The clean text of all of it; empty where nothing was said."""
        text = ""
        start_ms = 0
        words: list[Word] = []
        for number, piece in enumerate(_pieces(samples)):
            context = _Context(join(prompt, text), number, final=True)
            said = self._decode(piece, known, context) or _NOTHING
            text = join(text, said.text)
            words += [word.later(start_ms) for word in said.words]
            start_ms += samples_to_ms(len(piece))
        sure = float(np.mean([word.probability for word in words])) if words else None
        return Transcript(text, known.language or "und", sure, tuple(words))

    def _decode(self, samples: Samples, known: Known, context: _Context) -> Decode | None:
        """None where the decoder ran away (and, for a final, did so twice)."""
        if seconds(samples) < LEAST_SPEECH_S:
            return _NOTHING
        window_s = context_s(seconds(samples), partial=not context.final)
        said = self._attempt(samples, known, context, window_s)
        alone = replace(context, prompt="")
        if said is None:
            known.forget(context.piece)
            if context.final:  # without the prompt: it may be what the text loops on
                said = self._attempt(samples, known, alone, FULL_CONTEXT_S)
        elif said.text and is_led(said, context.prompt):
            known.forget(context.piece)
            if not context.final:
                return None
            plain = self._attempt(samples, known, alone, window_s)
            if plain is None:
                plain = self._attempt(samples, known, alone, FULL_CONTEXT_S)
            return said if plain and plain.text else _NOTHING
        return said

    def _attempt(
        self, samples: Samples, known: Known, context: _Context, window_s: float
    ) -> Decode | None:
        speech_s = seconds(samples)
        draft = known.drafts.get(context.piece, NO_DRAFT)
        if context.final:  # all of it is looked at once more
            draft = Draft(draft.tokens)
        encoded = self._engine.encode(
            samples,
            window_s,
            before=known.views.get(context.piece),
            settle_s=FINAL_SETTLE_S if context.final else SETTLE_S,
            stopper=context.stopper,
        )
        language = self._language(encoded, known, speech_s)
        said = self._engine.decode(
            encoded,
            language=language,
            prompt=context.prompt,
            draft=draft,
            max_tokens=token_cap(language, speech_s),
            speech_s=speech_s if context.final else None,
            stopper=context.stopper,
        )
        match judge(said, speech_s):
            case Verdict.RUNAWAY:
                return None
            case Verdict.SILENCE:
                return _NOTHING
            case Verdict.GOOD:
                known.drafts[context.piece] = draft.followed_by(said.tokens)
                known.views[context.piece] = encoded
                return _shortened(said, without_subtitles(said.text))

    def _language(self, encoded: Any, known: Known, speech_s: float) -> str:
        if known.settled and known.language:
            return known.language
        if not self._engine.multilingual:
            known.language, known.settled = "en", True
            return "en"
        ranked = [pair for pair in self._engine.languages(encoded) if pair[0] in DETECTABLE]
        code, probability = ranked[0]
        if speech_s < SHORT_S and probability < SURE_LANGUAGE:
            code = next((each for each, _ in ranked if each in self._likely), code)
        known.language = code
        known.settled = probability >= SURE_LANGUAGE and speech_s >= SURE_LANGUAGE_S
        return code


def _shortened(said: Decode, text: str) -> Decode:
    """A decode of which only the beginning is left."""
    if text == said.text:
        return said
    length = 0
    words = []
    for word in said.words:
        length += len(word.text)
        if length > len(text) + len(said.words[0].text) - len(said.words[0].text.lstrip()):
            break
        words.append(word)
    return replace(said, text=text, confidence=said.confidence[: len(text)], words=tuple(words))


def _pieces(samples: Samples) -> Iterator[Samples]:
    """The sound in pieces that fit into the model's window, cut where it is quietest."""
    longest = int(LONGEST_PIECE_S * SAMPLE_RATE)
    while len(samples) > longest:
        first = longest - int(_CUT_SEARCH_S * SAMPLE_RATE)
        frames = samples[first:longest].astype(np.float32)
        frames = frames[: len(frames) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
        cut = first + int(np.argmin(np.square(frames).mean(axis=1))) * FRAME_SAMPLES
        yield samples[:cut]
        samples = samples[cut:]
    yield samples
