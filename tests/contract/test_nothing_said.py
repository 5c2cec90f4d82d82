"""Where nobody speaks, nothing is written: real voice activity, real Whisper, real guards."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from kaiwa.adapters.asr_whisper import WhisperRecogniser
from kaiwa.adapters.vad_silero import SileroVoiceActivity
from kaiwa.domain.audio import Samples
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


async def heard(recogniser: WhisperRecogniser, sound: Samples, language: str | None) -> str:
    said: list[Said] = []
    transcription = Transcription(recogniser, SileroVoiceActivity, language, said.append)
    async with transcription.working():
        await transcription.hear(sound)
        await transcription.flush()
    return " ".join(each.text for each in said)


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
