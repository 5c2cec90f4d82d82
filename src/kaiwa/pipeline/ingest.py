"""From the bytes of an upload to samples, within its limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np

from kaiwa.domain.audio import SAMPLE_RATE, Container, Samples
from kaiwa.errors import KaiwaError, StreamStalled, TooMuch
from kaiwa.pipeline.tasks import one_error
from kaiwa.ports.decoder import Decoder, Decoding

SILENT_UPLOAD_S: Final = 20.0
"""A live microphone sends all the time; an upload that sends nothing for so long is dead, and what
is open of it ends there. A network that stalls is mostly back by then, and parts no word."""
_SAMPLE_BYTES: Final = 2


class BrokenOff(KaiwaError):
    """The connection went away before the upload was over."""

    code = "broken_off"
    status = 499
    retryable = True


@dataclass(frozen=True, slots=True)
class Limits:
    """What one upload may be, in all."""

    seconds: float
    bytes: int


@asynccontextmanager
async def ingest(
    body: AsyncIterator[bytes], container: Container, decoder: Decoder, limits: Limits
) -> AsyncIterator[AsyncIterator[Samples]]:
    """Open an upload as samples.

    What arrived is given before the iterator raises: BrokenOff (from `body`), BrokenAudio,
    StreamStalled, or TooMuch. Reading slowly slows the sender.
    """
    limited = _limited(body, limits)
    if container is Container.L16:
        yield _within(whole_samples(limited), limits)
        return
    with one_error():
        async with decoder.open(container) as decoding, asyncio.TaskGroup() as tasks:
            pouring = tasks.create_task(_pour(limited, decoding))
            yield _within(_decoded(decoding, pouring), limits)
            pouring.cancel()


async def _pour(body: AsyncIterator[bytes], decoding: Decoding) -> KaiwaError | None:
    """Write the body to the decoder; returns what ended it early, if anything did."""
    error: KaiwaError | None = None
    try:
        async for data in body:
            await decoding.write(data)
    except KaiwaError as broken:
        error = broken
    await decoding.end()
    return error


async def _decoded(
    decoding: Decoding, pouring: asyncio.Task[KaiwaError | None]
) -> AsyncIterator[Samples]:
    async for samples in decoding.samples():
        yield samples
    error = await pouring
    if error is not None:
        raise error


async def whole_samples(body: AsyncIterator[bytes]) -> AsyncIterator[Samples]:
    """L16 as samples; a chunk may end in the middle of one."""
    rest = b""
    async for data in body:
        data = rest + data
        whole = len(data) - len(data) % _SAMPLE_BYTES
        rest = data[whole:]
        if whole:
            yield np.frombuffer(data[:whole], dtype="<i2")


async def _limited(body: AsyncIterator[bytes], limits: Limits) -> AsyncIterator[bytes]:
    received = 0
    while True:
        try:
            async with asyncio.timeout(SILENT_UPLOAD_S):
                data = await anext(body)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise StreamStalled(f"no sound came for {SILENT_UPLOAD_S:.0f} s") from error
        received += len(data)
        if received > limits.bytes:
            raise TooMuch(f"an upload has at most {limits.bytes // 1_000_000} MB")
        yield data


async def _within(blocks: AsyncIterator[Samples], limits: Limits) -> AsyncIterator[Samples]:
    heard = 0
    async for block in blocks:
        heard += len(block)
        if heard > limits.seconds * SAMPLE_RATE:
            raise TooMuch(f"a capture lasts at most {limits.seconds / 3600:.1f} hours")
        yield block
