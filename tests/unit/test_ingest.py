"""From the bytes of an upload to samples, within its limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from kaiwa.adapters.memory.decoder import PassThroughDecoder
from kaiwa.domain.audio import Container, Samples
from kaiwa.errors import BrokenAudio, KaiwaError, StreamStalled, TooMuch
from kaiwa.pipeline import ingest as module
from kaiwa.pipeline.ingest import BrokenOff, Limits, ingest
from tests.fakes.hearing import Upload, wav
from tests.sounds import tone

AMPLE = Limits(seconds=3_600, bytes=10**9)
SOUND = tone(400)


@asynccontextmanager
async def opened(
    upload: Upload, container: Container = Container.L16, limits: Limits = AMPLE
) -> AsyncIterator[AsyncIterator[Samples]]:
    async with ingest(upload.body(), container, PassThroughDecoder(), limits) as blocks:
        yield blocks


async def whole(blocks: AsyncIterator[Samples]) -> tuple[Samples, KaiwaError | None]:
    """What came, and what ended it."""
    found = [np.zeros(0, np.int16)]
    try:
        async for block in blocks:
            found.append(block)
    except KaiwaError as error:
        return np.concatenate(found), error
    return np.concatenate(found), None


def sent(data: bytes, size: int) -> Upload:
    upload = Upload()
    for start in range(0, len(data), size):
        upload.send(data[start : start + size])
    return upload


@pytest.mark.parametrize("size", [1, 3, 1_001, 100_000])
async def test_a_chunk_may_end_in_the_middle_of_a_sample(size: int) -> None:
    upload = sent(SOUND[:999].tobytes(), size)
    upload.end()
    async with opened(upload) as blocks:
        sound, error = await whole(blocks)
    assert error is None and np.array_equal(sound, SOUND[:999])


async def test_half_a_sample_at_the_end_is_nothing() -> None:
    upload = sent(SOUND.tobytes() + b"x", 4_000)
    upload.end()
    async with opened(upload) as blocks:
        sound, error = await whole(blocks)
    assert error is None and np.array_equal(sound, SOUND)


@pytest.mark.parametrize("size", [1, 1_001, 100_000])
async def test_a_container_is_decoded_as_it_arrives(size: int) -> None:
    upload = sent(wav(SOUND[:2_000]), size)
    upload.end()
    async with opened(upload, Container.WAV) as blocks:
        sound, error = await whole(blocks)
    assert error is None and np.array_equal(sound, SOUND[:2_000])


@pytest.mark.parametrize("container", [Container.L16, Container.WAV])
async def test_what_arrived_is_given_before_the_connection_breaks(container: Container) -> None:
    data = wav(SOUND) if container is Container.WAV else SOUND.tobytes()
    upload = sent(data, 1_000)
    upload.break_off()
    async with opened(upload, container) as blocks:
        sound, error = await whole(blocks)
    assert isinstance(error, BrokenOff) and np.array_equal(sound, SOUND)


@pytest.mark.parametrize("container", [Container.L16, Container.WAV])
async def test_an_upload_has_so_many_bytes(container: Container) -> None:
    upload = sent(wav(SOUND), 1_000)
    async with opened(upload, container, Limits(3_600, 5_000)) as blocks:
        sound, error = await whole(blocks)
    assert isinstance(error, TooMuch)
    assert 2_000 < len(sound) <= 2_500


async def test_a_capture_lasts_so_long() -> None:
    upload = sent(SOUND.tobytes(), 1_000)
    async with opened(upload, limits=Limits(0.1, 10**9)) as blocks:
        sound, error = await whole(blocks)
    assert isinstance(error, TooMuch) and len(sound) == 1_500


@pytest.mark.parametrize("container", [Container.L16, Container.WAV])
async def test_a_microphone_that_sends_nothing_is_dead(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENT_UPLOAD_S", 0.05)
    data = wav(SOUND) if container is Container.WAV else SOUND.tobytes()
    upload = sent(data, 100_000)
    async with opened(upload, container) as blocks:
        sound, error = await whole(blocks)
    assert isinstance(error, StreamStalled) and np.array_equal(sound, SOUND)
    assert upload.left.is_set()


async def test_a_broken_container_is_told_from_a_broken_connection() -> None:
    upload = sent(b"this is no sound at all" * 100, 500)
    async with opened(upload, Container.WAV) as blocks:
        sound, error = await whole(blocks)
    assert isinstance(error, BrokenAudio) and not len(sound)


async def test_an_upload_without_a_byte_is_broken_only_in_a_container() -> None:
    for container, broken in ((Container.L16, False), (Container.WAV, True)):
        upload = Upload()
        upload.end()
        async with opened(upload, container) as blocks:
            sound, error = await whole(blocks)
        assert isinstance(error, BrokenAudio) is broken and not len(sound)


@pytest.mark.parametrize("container", [Container.L16, Container.WAV])
async def test_leaving_early_leaves_nothing_running(container: Container) -> None:
    before = asyncio.all_tasks()
    upload = sent(wav(SOUND), 1_000)
    async with opened(upload, container) as blocks:
        assert len(await anext(blocks))
    del blocks
    await upload.left.wait()
    assert asyncio.all_tasks() == before
