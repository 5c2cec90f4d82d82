"""The agent's voice coming back through the microphone: is it known, and is a person heard over it?

    python -m bench.echo [--language ja]

Clips of the project's own voices are mixed into silence with a little noise, ECHO_DB down and as
late as a loudspeaker and a browser make them, and recognised with the default model. `likeness` is
how alike capture and clip rise and fall; `echo` what is decided of both. The echo alone must be
one; nothing with a person in it may be, where the recogniser heard the person at all.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.server import spoken
from kaiwa.adapters.asr_whisper import WhisperRecogniser
from kaiwa.domain.audio import Samples, ms_to_samples
from kaiwa.models.speech import speech_folder
from kaiwa.models.store import ModelStore
from kaiwa.pipeline.loudness import frame_powers
from kaiwa.policy.echo import is_echo, likeness, voiced
from kaiwa.settings import Settings

ECHO_DB = -10
LATE_MS = (50, 100, 200, 300)
SPEAKS_AT_MS = (500, 1_500)  # into the clip
ROOM = 30.0  # RMS of the noise, of 32,768
AROUND = ms_to_samples(300)
CLIPS = {
    "ja": (
        "富士山の高さは3,776メートルで、日本で一番高い山です。",
        "今日はいい天気なので、散歩に行くのがいいと思います。",
    ),
    "en": (
        "Tokyo is the capital of Japan, and many people live there.",
        "I think you should go for a walk because the weather is nice today.",
    ),
}
OVER = {
    "ja": ("大阪の天気はどうですか？", "もっと短く言ってください。", "ちょっと待って。"),
    "en": ("What about the weather in Osaka?", "Please make it shorter.", "Wait a minute."),
}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--language", choices=sorted(CLIPS), action="append")
    given = parser.parse_args()
    settings = Settings()
    recogniser = WhisperRecogniser(speech_folder(settings.asr_model, ModelStore(settings.models)))
    table = Table("language", "heard", "likeness", "echo", "recognised", box=None)
    for language in given.language or sorted(CLIPS):
        for text in CLIPS[language]:
            clip = spoken(text, language, 0)
            for name, sound in scenes(clip, language):
                async with recogniser.segment(language=language) as segment:
                    segment.feed(sound)
                    said = (await segment.final()).text
                heard, played = frame_powers(sound), frame_powers(clip)
                alike, voice = likeness(heard, played), likeness(voiced(heard), played)
                echo = "yes" if is_echo(said, text, alike, voice) else ""
                shown = "-" if alike is None else f"{alike:.2f}"
                table.add_row(language, name, shown, echo, said)
    await recogniser.close()
    Console(width=140).print(table)


def scenes(clip: Samples, language: str) -> Iterator[tuple[str, Samples]]:
    """What a microphone hears, and what it is."""
    for late in LATE_MS:
        yield f"echo, {late} ms late", mixed(clip, late)
    for words in OVER[language]:
        person = spoken(words, language, 0)
        for at in SPEAKS_AT_MS:
            yield f"{words} over it at {at} ms", mixed(clip, LATE_MS[1], person, at)


def mixed(clip: Samples, late_ms: int, person: Samples | None = None, at_ms: int = 0) -> Samples:
    parts = [(ms_to_samples(late_ms), clip * 10 ** (ECHO_DB / 20))]
    if person is not None:
        parts.append((ms_to_samples(at_ms), person.astype(np.float64)))
    length = max(start + len(sound) for start, sound in parts) + 2 * AROUND
    heard = np.random.default_rng(1).normal(0, ROOM, length)
    for start, sound in parts:
        heard[AROUND + start : AROUND + start + len(sound)] += sound
    samples: Samples = np.clip(heard, -32_768, 32_767).astype(np.int16)
    return samples


if __name__ == "__main__":
    asyncio.run(main())
