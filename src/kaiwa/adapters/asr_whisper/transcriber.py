"""From the sound of a segment to text that can be shown: window, language, decode, guards.

Everything here computes, in the scheduler's one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import ctranslate2
import numpy as np

from kaiwa.adapters.asr_whisper.engine import FULL_CONTEXT_S, Engine, context_s, seconds
from kaiwa.adapters.asr_whisper.guards import Verdict, judge, token_cap, without_subtitles
from kaiwa.domain.audio import FRAME_SAMPLES, SAMPLE_RATE, Samples
from kaiwa.domain.speech import Transcript
from kaiwa.policy.agreement import join

LEAST_SPEECH_S = 0.1
"""Less sound than this holds no word."""
BEAM = 1
"""Greedy, for partials and finals alike: on the speech measured here a beam of 5 cost half as
much again and was not better than chance (two errors in 183 words, worse in Japanese)."""
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
class Language:
    """What is known of a segment's language; `code` None until something was detected."""

    code: str | None
    settled: bool


class Transcriber:
    """Decodes that are guarded. `likely`: what short sound is, unless it clearly is not."""

    def __init__(self, engine: Engine, likely: Sequence[str] = LIKELY) -> None:
        self._engine = engine
        self._likely = frozenset(likely)

    def partial(self, samples: Samples, language: Language, prompt: str) -> str | None:
        """The text so far, or None if a guard fired. Writes what it learns into `language`."""
        text = ""
        for piece in _pieces(samples):
            more = self._decode(piece, language, join(prompt, text), rescue=False)
            if more is None:
                return None
            text = join(text, more)
        return text or None

    def final(self, samples: Samples, language: Language, prompt: str) -> Transcript:
        """The clean text of all of it; empty where nothing was said."""
        text = ""
        for piece in _pieces(samples):
            text = join(text, self._decode(piece, language, join(prompt, text), rescue=True) or "")
        return Transcript(text, language.code or "und")

    def _decode(
        self, samples: Samples, language: Language, prompt: str, *, rescue: bool
    ) -> str | None:
        """The text, or None where the decoder ran away (and, with `rescue`, did so twice)."""
        if seconds(samples) < LEAST_SPEECH_S:
            return ""
        text = self._attempt(samples, language, prompt, context_s(seconds(samples)))
        if text is None and rescue:  # without the prompt: it may be what the text loops on
            text = self._attempt(samples, language, "", FULL_CONTEXT_S)
        return text

    def _attempt(
        self, samples: Samples, language: Language, prompt: str, window_s: float
    ) -> str | None:
        speech_s = seconds(samples)
        encoded = self._engine.encode(samples, window_s)
        code = self._language(encoded, language, speech_s)
        decode = self._engine.decode(
            encoded,
            language=code,
            prompt=prompt,
            max_tokens=token_cap(code, speech_s),
            beam=BEAM,
        )
        match judge(decode, speech_s):
            case Verdict.RUNAWAY:
                return None
            case Verdict.SILENCE:
                return ""
            case Verdict.GOOD:
                return without_subtitles(decode.text)

    def _language(
        self, encoded: ctranslate2.StorageView, language: Language, speech_s: float
    ) -> str:
        if language.settled and language.code:
            return language.code
        if not self._engine.multilingual:
            language.code, language.settled = "en", True
            return "en"
        ranked = [pair for pair in self._engine.languages(encoded) if pair[0] in DETECTABLE]
        code, probability = ranked[0]
        if speech_s < SHORT_S and probability < SURE_LANGUAGE:
            code = next((each for each, _ in ranked if each in self._likely), code)
        language.code = code
        language.settled = probability >= SURE_LANGUAGE and speech_s >= SURE_LANGUAGE_S
        return code


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
