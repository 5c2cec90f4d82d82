"""How an upload ends decides what becomes of what is still open."""

from __future__ import annotations

import asyncio

import pytest

from kaiwa.adapters.memory.decoder import PassThroughDecoder
from kaiwa.domain.audio import Container, Samples
from kaiwa.domain.ids import CaptureId
from kaiwa.domain.talk import User
from kaiwa.errors import (
    Conflict,
    KaiwaError,
    OffsetConflict,
    ShuttingDown,
    TakenOver,
    TooManyStreams,
)
from kaiwa.pipeline import captures as module
from kaiwa.pipeline.captures import Captures, Heard
from kaiwa.pipeline.ingest import BrokenOff, Limits
from tests.fakes.hearing import CAPTURE, KEN, MARI, Hearing, Upload, wav
from tests.sounds import speech, tone

L16, WAV = Container.L16, Container.WAV
OPEN = tone(600)
OPEN_TEXT = "今日はとてもいい"
NEWER = CaptureId("capture-2")


class House:
    """One process's captures, and uploads to it."""

    def __init__(self, hearing: Hearing) -> None:
        self.hearing = hearing
        self.captures = Captures(
            ears=hearing.ears, decoder=PassThroughDecoder(), limits=Limits(60, 10**7), per_user=2
        )

    def upload(
        self,
        upload: Upload,
        container: Container = L16,
        capture: CaptureId = CAPTURE,
        offset: int = 0,
        user: User = MARI,
    ) -> asyncio.Task[Heard]:
        return asyncio.create_task(
            self.captures.receive(
                self.hearing.talk, user, capture, container, offset, upload.body()
            )
        )

    async def speaking(
        self, container: Container = L16, capture: CaptureId = CAPTURE
    ) -> tuple[Upload, asyncio.Task[Heard]]:
        """An upload with an utterance stored and another one open."""
        upload = Upload()
        sound = speech(600, 900, 600)
        upload.send(wav(sound) if container is WAV else sound)
        task = self.upload(upload, container, capture)
        await self.hearing.until("utterance.final")
        await self.hearing.until("utterance.partial")
        return upload, task

    async def said(self, sound: Samples, capture: CaptureId = CAPTURE, offset: int = 0) -> Heard:
        upload = Upload()
        upload.send(sound)
        upload.end()
        return await self.upload(upload, capture=capture, offset=offset)


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(module, "RESUME_S", 3_600)
    return House(await Hearing().begin())


async def error_of(task: asyncio.Task[Heard]) -> type[KaiwaError]:
    with pytest.raises(KaiwaError) as caught:
        await task
    return caught.type


@pytest.mark.parametrize("container", [L16, WAV])
async def test_its_body_ends(house: House, container: Container) -> None:
    upload, task = await house.speaking(container)
    upload.end()
    heard = await task
    assert [said.text for said in heard.utterances] == [OPEN_TEXT] * 2
    assert (heard.capture, heard.duration_ms) == (CAPTURE, 2_100)
    assert await house.hearing.texts() == [OPEN_TEXT] * 2


async def test_the_connection_breaks_and_nobody_resumes_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESUME_S", 0.01)
    upload, task = await house.speaking()
    upload.break_off()
    assert await error_of(task) is BrokenOff
    assert await house.hearing.texts() == [OPEN_TEXT] * 2


async def test_the_connection_breaks_where_nothing_can_be_resumed(house: House) -> None:
    upload, task = await house.speaking(WAV)
    upload.break_off()
    assert await error_of(task) is BrokenOff
    assert await house.hearing.texts() == [OPEN_TEXT] * 2


@pytest.mark.parametrize("broken", [True, False], ids=["after a break", "while it goes on"])
async def test_the_same_capture_reconnects(house: House, broken: bool) -> None:
    upload, older = await house.speaking()
    if broken:
        upload.break_off()
        await upload.left.wait()
    durable = await house.hearing.offset()
    heard = await house.said(speech(600, 900, 600)[durable:], offset=durable)
    assert await error_of(older) is (BrokenOff if broken else TakenOver)
    assert [said.text for said in heard.utterances] == [OPEN_TEXT]
    ids = [final.utterance_id for final in await house.hearing.finals()]
    assert ids == [f"{CAPTURE}-1", f"{CAPTURE}-2"]
    assert await house.hearing.texts() == [OPEN_TEXT] * 2


async def test_connections_may_be_shorter_than_recognition_takes(house: House) -> None:
    """What one heard, the next need not hear again: else nothing would ever be stored."""
    house.hearing.recogniser.free.clear()
    sound = speech(600, 900, 600, 900)
    older = []
    for end in (9_000, 30_000, len(sound)):  # in the first word, in the second, behind both
        upload = Upload()
        upload.send(sound[:end])
        older.append(house.upload(upload))
        upload.break_off()
        await upload.left.wait()
    house.hearing.recogniser.free.set()
    for _ in range(2):
        await house.hearing.until("utterance.final")
    await house.said(sound)
    assert [await error_of(task) for task in older] == [BrokenOff] * 3
    assert await house.hearing.texts() == [OPEN_TEXT] * 2
    assert [event["type"] for event in house.hearing.seen].count("speech.started") == 2


async def test_of_connections_that_wait_only_the_newest_is_kept(house: House) -> None:
    house.hearing.recogniser.free.clear()
    sound = speech(*[600, 900] * 5)
    upload = Upload()
    upload.send(sound)
    heard = house.upload(upload)
    for _ in range(3):
        await house.hearing.until("speech.ended")  # the fourth waits for the first
    waiting = house.upload(Upload())
    newest = asyncio.create_task(house.said(sound))
    assert await error_of(waiting) is TakenOver
    house.hearing.recogniser.free.set()
    assert len((await newest).utterances) == 5
    assert await error_of(heard) is TakenOver


async def test_a_capture_that_another_process_had_in_between_is_heard_anew(house: House) -> None:
    upload, older = await house.speaking()
    upload.break_off()
    await upload.left.wait()
    await house.hearing.log.open_capture(house.hearing.talk.id, MARI.id, CAPTURE)
    durable = await house.hearing.offset()
    heard = await house.said(speech(600, 900, 600)[durable:], offset=durable)
    assert await error_of(older) is BrokenOff
    assert [said.text for said in heard.utterances] == [OPEN_TEXT]
    assert await house.hearing.texts() == [OPEN_TEXT] * 2


async def test_whoever_resumes_learns_that_recognition_failed(house: House) -> None:
    upload, older = await house.speaking()
    upload.break_off()
    newer = Upload()
    task = house.upload(newer)
    house.hearing.recogniser.down = "gone"
    newer.send(speech(600, 900, 600, 900))
    with pytest.raises(KaiwaError, match="gone"):
        await task
    assert await error_of(older) is BrokenOff


@pytest.mark.parametrize("container", [L16, WAV])
async def test_a_newer_capture_takes_over(house: House, container: Container) -> None:
    _, older = await house.speaking(container)
    await house.said(OPEN, NEWER)
    assert await error_of(older) is TakenOver
    by_capture = sorted(str(final.capture) for final in await house.hearing.finals())
    assert by_capture == [CAPTURE, CAPTURE, NEWER]


async def test_what_was_heard_is_stored_where_recognition_was_behind(house: House) -> None:
    house.hearing.recogniser.free.clear()
    upload = Upload()
    upload.send(speech(*[600, 900] * 5))
    older = house.upload(upload)
    for _ in range(3):
        await house.hearing.until("speech.ended")  # the fourth waits for the first
    newer = asyncio.create_task(house.said(OPEN, NEWER))
    while (await house.hearing.until("speech.started"))["capture"] != NEWER:
        pass
    house.hearing.recogniser.free.set()
    await newer
    assert await error_of(older) is TakenOver
    by_capture = [final.capture for final in await house.hearing.finals()]
    assert by_capture.count(CAPTURE) == 5


async def test_a_newer_capture_ends_the_wait_for_a_resume(house: House) -> None:
    upload, older = await house.speaking()
    upload.break_off()
    await upload.left.wait()
    await house.said(OPEN, NEWER)
    assert await error_of(older) is BrokenOff
    assert len(await house.hearing.finals()) == 3


async def test_sigterm_leaves_what_the_page_can_send_again(house: House) -> None:
    _, task = await house.speaking()
    durable = await house.hearing.offset()
    await house.captures.shut_down()
    assert await error_of(task) is ShuttingDown
    assert await house.hearing.texts() == [OPEN_TEXT]
    assert await house.hearing.offset() == durable


async def test_sigterm_stores_what_cannot_be_sent_again(house: House) -> None:
    _, task = await house.speaking(WAV)
    await house.captures.shut_down()
    assert await error_of(task) is ShuttingDown
    assert await house.hearing.texts() == [OPEN_TEXT] * 2


async def test_sigterm_waits_for_no_resume_and_takes_nobody_in(house: House) -> None:
    upload, task = await house.speaking()
    upload.break_off()
    await upload.left.wait()
    await house.captures.shut_down()
    assert await error_of(task) is BrokenOff
    assert await house.hearing.texts() == [OPEN_TEXT]
    with pytest.raises(ShuttingDown):
        await house.said(OPEN)


async def test_sigterm_takes_in_nobody_who_waited_for_last_words(house: House) -> None:
    house.hearing.recogniser.free.clear()
    upload = Upload()
    upload.send(speech(600, 900, 600))
    upload.end()
    older = house.upload(upload)
    await upload.left.wait()
    newer = asyncio.create_task(house.said(OPEN))
    await asyncio.sleep(0)  # it waits
    closing = asyncio.create_task(house.captures.shut_down())
    await asyncio.sleep(0)
    house.hearing.recogniser.free.set()
    assert len((await older).utterances) == 2
    assert await error_of(newer) is ShuttingDown
    await closing
    assert house.captures.going_on == 0


async def test_what_is_durable_is_skipped(house: House) -> None:
    sound = speech(600, 900, 1_100, 900)
    first = await house.said(sound[: 16_000 * 3 // 2])
    durable = await house.hearing.offset()
    assert durable > 0 and len(first.utterances) == 1
    second = await house.said(sound, offset=0)
    assert [said.text for said in second.utterances] == ["今日はとてもいい天気です"]
    assert second.utterances[0].utterance_id == f"{CAPTURE}-2"


async def test_samples_that_never_came_are_a_conflict(house: House) -> None:
    with pytest.raises(OffsetConflict, match="sample 0"):
        await house.said(OPEN, offset=1)


async def test_only_raw_sound_can_be_resumed(house: House) -> None:
    await house.said(speech(600, 900))
    upload = Upload()
    with pytest.raises(Conflict, match="new capture"):
        await house.upload(upload, WAV)
    with pytest.raises(Conflict):
        await house.upload(upload, WAV, NEWER, offset=5)


async def test_nobody_ends_or_takes_anothers_capture_by_its_id(house: House) -> None:
    upload, task = await house.speaking()
    with pytest.raises(Conflict):
        await house.upload(Upload(), user=KEN)
    upload.end()
    assert len((await task).utterances) == 2


async def test_a_user_has_so_many_uploads_at_once(house: House) -> None:
    going_on = []
    for _ in range(2):
        await house.hearing.begin()  # another talk
        going_on.append(await house.speaking(capture=CaptureId(f"capture-{house.hearing.talk.id}")))
    await house.hearing.begin()
    with pytest.raises(TooManyStreams):
        await house.said(OPEN, NEWER)
    upload, task = going_on[0]
    upload.end()
    await task
    assert (await house.said(OPEN, NEWER)).utterances
    await house.captures.shut_down()
    assert await error_of(going_on[1][1]) is ShuttingDown


async def test_a_recogniser_that_fails_ends_the_upload_with_its_reason(house: House) -> None:
    upload, task = await house.speaking()
    house.hearing.recogniser.down = "gone"
    upload.send(speech(0, 900))
    with pytest.raises(KaiwaError, match="gone"):
        await task
    assert upload.left.is_set()
    await house.captures.shut_down()
