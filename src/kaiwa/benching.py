"""`kaiwa bench`: how fast this machine hears, thinks and speaks, one part after the other.

Nothing is recorded and no server runs: a voice of kaiwa's says a sentence, which the recogniser
hears and the chat model is asked about. A whole turn, in real time and over the wire, is measured
by the benches of the source tree (docs/benchmarks.md).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from kaiwa.app import Engines, engines_of
from kaiwa.domain.audio import SAMPLE_RATE, Container, Samples, Speech, samples_to_ms, wav
from kaiwa.domain.chat import ChatMessage
from kaiwa.errors import ModelDown
from kaiwa.pipeline.ingest import Limits, ingest
from kaiwa.ports.tts import Voice, VoiceEngine
from kaiwa.settings import Settings

ROUNDS: Final = 3
FIRST_WORDS: Final = SAMPLE_RATE  # the sound of a first hypothesis

SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "ja": ("そうですね、", "今日の東京の天気はどうですか。傘を持って行ったほうがいいですか。"),
    "en": ("Well, let me see.", "What is the weather like today? Should I take an umbrella?"),
}
"""Language -> the first clause of an answer, and a question."""


@dataclass(frozen=True, slots=True)
class Measured:
    """`seconds` is the median; `note` says how much was done in them."""

    part: str
    what: str
    seconds: float
    note: str = ""


async def measure(settings: Settings) -> AsyncGenerator[Measured, None]:
    """Each part as soon as it is measured; needs the weights that `serve` needs.

    Raises what the parts raise when they cannot be loaded.
    """
    async with engines_of(settings) as engines:
        for ready in engines.parts.values():
            await ready()
        for language, (clause, question) in SENTENCES.items():
            found = engines.voices.default_for(language)
            if found is not None:
                yield await _voice(engines, *found, clause)
                sound = await _heard(engines, await found[0].speak(question, found[1]))
                for measured in await _recognition(engines, language, sound):
                    yield measured
        for measured in await _thought(engines, question):
            yield measured


async def _voice(engines: Engines, engine: VoiceEngine, voice: Voice, clause: str) -> Measured:
    said = await engine.speak(clause, voice)
    seconds = await _timed(engines, lambda: engine.speak(clause, voice))
    return Measured(voice.id, f"says {clause}", seconds, _ratio(said.duration_ms, seconds))


async def _recognition(engines: Engines, language: str, sound: Samples) -> list[Measured]:
    async def first_words() -> None:
        async with engines.recogniser.segment(language=language) as segment:
            segment.feed(sound[:FIRST_WORDS])
            await segment.partial()

    async def final() -> None:
        async with engines.recogniser.segment(language=language) as segment:
            segment.feed(sound)
            await segment.final()

    first_s, final_s = await _timed(engines, first_words), await _timed(engines, final)
    return [
        Measured("recogniser", f"first words, {language}", first_s),
        Measured(
            "recogniser",
            f"a final, {language}",
            final_s,
            _ratio(samples_to_ms(len(sound)), final_s),
        ),
    ]


async def _thought(engines: Engines, question: str) -> list[Measured]:
    first: list[float] = []
    each: list[float] = []
    for number in range(ROUNDS):  # each prompt is new to the model's cache from its first word on
        prompt = [ChatMessage("user", f"({number}) {question} Answer in three sentences.")]
        engines.voices.disturb()
        begun = time.perf_counter()
        async with engines.chat.stream(prompt) as pieces:
            times = [time.perf_counter() async for piece in pieces if piece]
        first += [at - begun for at in times[:1]]
        each += np.diff(times).tolist()
    if not each:
        raise ModelDown("the chat model said nothing")
    name, token_s = f"{engines.chat.kind} chat model", statistics.median(each)
    return [
        Measured(name, "reads a question", statistics.median(first)),
        Measured(name, "writes a token", token_s, f"{1 / max(token_s, 1e-6):.0f} a second"),
    ]


async def _timed(engines: Engines, work: Callable[[], Awaitable[object]]) -> float:
    took = []
    for _ in range(ROUNDS):
        engines.voices.disturb()  # openers are made in idle time: this is none
        begun = time.perf_counter()
        await work()
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


async def _heard(engines: Engines, said: Speech) -> Samples:
    """The sound as a microphone would have it."""
    whole = wav(said)

    async def file() -> AsyncIterator[bytes]:
        yield whole

    limits = Limits(seconds=60, bytes=2 * len(whole))
    async with ingest(file(), Container.WAV, engines.decoder, limits) as blocks:
        return np.concatenate([block async for block in blocks])


def _ratio(sound_ms: int, seconds: float) -> str:
    return f"{sound_ms / 1000:.1f} s of sound, {sound_ms / 1000 / seconds:.1f} times real time"
