"""`kaiwa serve` with engines that need no weights: `python -m tests.faults.app MODEL_URL`.

Everything else is what is shipped: settings from the environment, HTTP server, signals, drain.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kaiwa import app
from kaiwa.adapters.llm_openai import OpenAIChatModel
from kaiwa.adapters.memory.asr import EnergyVoiceActivity
from kaiwa.adapters.memory.tts import ToneVoices
from kaiwa.adapters.pyav_decoder import PyAvDecoder
from kaiwa.errors import KaiwaError
from kaiwa.logs import to_stderr
from kaiwa.pipeline.voices import VoiceBook
from kaiwa.serving import serve
from kaiwa.settings import Settings, read_settings
from tests.faults.words import WordRecogniser


@asynccontextmanager
async def engines_of(settings: Settings) -> AsyncIterator[app.Engines]:
    recogniser, decoder = WordRecogniser(), PyAvDecoder()
    chat = OpenAIChatModel(settings.llm_url, default_model="small")
    yield app.Engines(
        recogniser=recogniser,
        vad=EnergyVoiceActivity,
        decoder=decoder,
        chat=chat,
        voices=VoiceBook([ToneVoices()]),
        parts={"recogniser": recogniser.ready},
    )
    await chat.close()
    await decoder.close()


if __name__ == "__main__":
    to_stderr()
    app.engines_of = engines_of
    try:
        asyncio.run(serve(read_settings(), tls=False, cert=None, key=None, open_page=False))
    except KaiwaError as error:
        sys.exit(f"kaiwa: {error.message}")
