"""Where nobody speaks, nothing is written: real voice activity, real Whisper, real guards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from kaiwa.adapters.asr_whisper import WhisperRecogniser
from kaiwa.adapters.vad_silero import SileroVoiceActivity
from kaiwa.domain.audio import Samples, ms_to_samples
from kaiwa.domain.speech import Hypothesis
from kaiwa.transcribing import Said, Transcription
from tests.fakes.noises import NOISES, noise
from tests.fakes.speech import english, japanese
from tests.fakes.weights import whisper_base

pytestmark = pytest.mark.real


@pytest_asyncio.fixture
async def recogniser() -> AsyncIterator[WhisperRecogniser]:
    recogniser = WhisperRecogniser(whisper_base())
    yield recogniser
    await recogniser.close()


class Watched(Transcription):
    """Somebody watches the words come."""

    shown = ""

    def needs_hypotheses(self) -> bool:
        return True

    async def on_hypothesis(self, start: int, hypothesis: Hypothesis) -> None:
        self.shown += hypothesis.stable + hypothesis.tentative


async def heard(recogniser: WhisperRecogniser, sound: Samples, language: str | None) -> str:
    """All that was shown, and what was written down."""
    said: list[Said] = []
    watched = Watched(recogniser, SileroVoiceActivity, language, said.append)
    async with watched.working():
        for block in np.array_split(sound, 1 + len(sound) // ms_to_samples(250)):
            await watched.hear(block)
            await asyncio.sleep(0.01)  # or hypotheses have no time
        await watched.flush()
    return watched.shown + "".join(each.text for each in said)


@pytest.mark.parametrize("name", NOISES)
async def test_a_minute_without_speech_has_no_text(
    name: str, recogniser: WhisperRecogniser
) -> None:
    sound = noise(name)
    for language in ("ja", "en", None):
        assert await heard(recogniser, sound, language) == ""


async def test_short_answers_are_heard(recogniser: WhisperRecogniser) -> None:
    for text in ("はい。", "うん。", "ええと。", "いいえ。"):
        assert await heard(recogniser, japanese(text), "ja") != "", text
    for text in ("Yes.", "No.", "Okay."):
        assert await heard(recogniser, english(text), "en") != "", text
