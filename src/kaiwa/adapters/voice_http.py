"""What voices on other servers share: a request, a bounded answer, a sentence for failures."""

from __future__ import annotations

import asyncio
import io
import wave
from typing import Final

import httpx
import numpy as np

from kaiwa.adapters import opus
from kaiwa.adapters.loopback import is_loopback
from kaiwa.domain.audio import Samples, Speech
from kaiwa.errors import VoiceDown
from kaiwa.policy.trim import trim_silence

RATE: Final = 24_000
ANSWER_S: Final = 30.0  # a long clause on a slow machine
MAX_BYTES: Final = 32 * 1024 * 1024  # eleven minutes at 24 kHz


def new_client(url: str, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    """A connection for each request: one kept idle may be closed just as it is used. Loopback
    traffic goes through no proxy."""
    return httpx.AsyncClient(
        base_url=url.rstrip("/"),
        headers=headers,
        timeout=ANSWER_S,
        limits=httpx.Limits(max_keepalive_connections=0),
        trust_env=not is_loopback(url),
    )


async def fetch(client: httpx.AsyncClient, request: httpx.Request) -> bytes:
    """The body of the answer, whole. Raises VoiceDown."""
    url = client.base_url.copy_with(userinfo=b"")  # members read this
    where = f"The voice server at {str(url).rstrip('/')}"
    body = b""
    try:
        async with asyncio.timeout(ANSWER_S):
            answer = await client.send(request, stream=True)
            try:
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > MAX_BYTES:
                        raise VoiceDown(f"{where} does not stop sending.")
            finally:
                await answer.aclose()
    except TimeoutError:
        raise VoiceDown(f"{where} did not answer in {ANSWER_S:.0f} s.") from None
    except httpx.HTTPError as error:
        raise VoiceDown(f"{where} cannot be reached ({type(error).__name__}).") from error
    if answer.status_code != httpx.codes.OK:
        raise VoiceDown(f"{where} refused ({answer.status_code}).")
    return body


def speech_of_wav(data: bytes) -> Speech:
    """The sound of a WAV file, trimmed. Raises VoiceDown where it is not 16-bit mono of a usual
    rate."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            shape = file.getnchannels(), file.getsampwidth()
            rate, frames = file.getframerate(), file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise VoiceDown("The voice server did not send a WAV file.") from error
    if shape != (1, 2) or rate not in opus.RATES:
        raise VoiceDown(f"The voice server sent sound of {rate} Hz, {shape[0]} channels.")
    return speech_of_pcm(frames, rate)


def speech_of_pcm(data: bytes, rate: int) -> Speech:
    """Little-endian 16-bit mono, trimmed; half a sample at the end is dropped."""
    pcm: Samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)
    return Speech(trim_silence(pcm, rate), rate)


def silence() -> Speech:
    return Speech(np.zeros(0, np.int16), RATE)
