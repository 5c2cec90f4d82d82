"""One contract for every recogniser: the shipped fake, Whisper, and the client of a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
import pytest_asyncio

from kaiwa.adapters import asr_tcp
from kaiwa.adapters.asr_tcp import TcpRecogniser
from kaiwa.adapters.asr_whisper import WhisperRecogniser
from kaiwa.adapters.asr_whisper.recogniser import MODEL_FILES
from kaiwa.adapters.memory.asr import EnergyVoiceActivity, FakeRecogniser
from kaiwa.adapters.vad_silero import SileroVoiceActivity
from kaiwa.asr_server import AsrServer
from kaiwa.domain.audio import FRAME_SAMPLES, Samples, ms_to_samples
from kaiwa.errors import RecogniserDown
from kaiwa.policy.endpointing import Endpointer, SegmentEnded, SegmentStarted
from kaiwa.ports.asr import Recogniser, SegmentRecognition
from kaiwa.ports.vad import VoiceActivity
from tests.fakes.speech import english, japanese
from tests.fakes.weights import whisper_base
from tests.fakes.whisper_online import WhisperOnlineServer
from tests.ports import free_port

SENTENCE = "今日はとてもいい天気ですね。"
SILENCE: Samples = np.zeros(ms_to_samples(1_500), np.int16)


@dataclass
class Engine:
    """A recogniser, and a word it hears in SENTENCE."""

    recogniser: Recogniser
    hears: str


@asynccontextmanager
async def fake() -> AsyncIterator[Engine]:
    yield Engine(FakeRecogniser(), "天気")


@asynccontextmanager
async def tcp() -> AsyncIterator[Engine]:
    async with WhisperOnlineServer("ja").running() as server:
        yield Engine(TcpRecogniser("127.0.0.1", server.port, silence_every_s=0.2), "天気")


@asynccontextmanager
async def own_server() -> AsyncIterator[Engine]:
    """One kaiwa uses another's recogniser."""
    server = await AsrServer(FakeRecogniser(), EnergyVoiceActivity, "ja").start("127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield Engine(TcpRecogniser("127.0.0.1", port, silence_every_s=0.2), "天気")
    server.close()


@asynccontextmanager
async def whisper() -> AsyncIterator[Engine]:
    recogniser = WhisperRecogniser(whisper_base(), threads=1)
    yield Engine(recogniser, "天気")
    await recogniser.close()


@pytest_asyncio.fixture(
    params=[fake, tcp, own_server, pytest.param(whisper, marks=pytest.mark.real)]
)
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    async with request.param() as engine:
        await engine.recogniser.ready()
        yield engine


def feed_in_frames(segment: SegmentRecognition, samples: Samples) -> None:
    for at in range(0, len(samples), FRAME_SAMPLES):
        segment.feed(samples[at : at + FRAME_SAMPLES])


async def test_the_final_says_what_was_said(engine: Engine) -> None:
    async with engine.recogniser.segment(language="ja") as segment:
        feed_in_frames(segment, japanese(SENTENCE))
        transcript = await segment.final()

    assert engine.hears in transcript.text
    assert transcript.text == transcript.text.strip()
    assert transcript.language == "ja"


async def test_there_is_text_before_the_end_and_nothing_when_nothing_is_new(
    engine: Engine,
) -> None:
    async with engine.recogniser.segment(language="ja") as segment:
        assert await segment.partial() is None
        feed_in_frames(segment, japanese(SENTENCE))
        partial = await segment.partial()
        async with asyncio.timeout(60):
            while partial is None:  # a server may need more than one look
                feed_in_frames(segment, japanese(SENTENCE))
                await asyncio.sleep(0.01)
                partial = await segment.partial()
        assert partial.text.startswith("今日")
        assert len(partial.confidence) in (0, len(partial.text))
        assert await segment.partial() is None
        await segment.final()


async def test_silence_has_no_text(engine: Engine) -> None:
    async with engine.recogniser.segment(language="ja") as segment:
        segment.feed(SILENCE)
        assert (await segment.final()).text == ""


async def test_a_segment_without_sound_has_no_text(engine: Engine) -> None:
    async with engine.recogniser.segment(language="ja") as segment:
        assert (await segment.final()).text == ""


async def test_an_eager_final_that_came_too_early_loses_nothing(engine: Engine) -> None:
    sentence = japanese(SENTENCE)
    half = len(sentence) // 2
    async with engine.recogniser.segment(language="ja") as segment:
        segment.feed(sentence[:half])
        eager = await segment.final(last=False)
        segment.feed(sentence[half:])
        final = await segment.final()

    assert engine.hears in final.text
    assert len(final.text) > len(eager.text)


async def test_an_eager_final_that_came_in_time_is_the_final(engine: Engine) -> None:
    async with engine.recogniser.segment(language="ja") as segment:
        feed_in_frames(segment, japanese(SENTENCE))
        eager = await segment.final(last=False)
        final = await segment.final()
        assert await segment.final() == final

    assert final.text.startswith(eager.text)
    assert engine.hears in final.text


async def test_segments_at_the_same_time_do_not_mix(engine: Engine) -> None:
    recogniser = engine.recogniser
    async with recogniser.segment(language="ja") as one, recogniser.segment(language="ja") as two:
        one.feed(japanese(SENTENCE))
        two.feed(SILENCE)
        said, silent = await asyncio.gather(one.final(), two.final())

    assert engine.hears in said.text
    assert silent.text == ""


async def test_leaving_a_segment_drops_its_work_and_harms_nobody(engine: Engine) -> None:
    async with asyncio.timeout(60):
        async with engine.recogniser.segment(language="ja") as left:
            left.feed(japanese(SENTENCE))
            waiting = asyncio.ensure_future(left.partial())
            await asyncio.sleep(0)
        waiting.cancel()
        async with engine.recogniser.segment(language="ja") as segment:
            segment.feed(japanese(SENTENCE))
            assert engine.hears in (await segment.final()).text


# --- one engine at a time ---------------------------------------------------------------------


async def test_whisper_without_weights_says_which_file_is_missing(tmp_path: Path) -> None:
    recogniser = WhisperRecogniser(tmp_path)

    with pytest.raises(RecogniserDown, match=r"model\.bin"):
        await recogniser.ready()
    await recogniser.close()


async def test_weights_that_do_not_fit_into_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in MODEL_FILES:
        (tmp_path / name).write_bytes(b"")
    memory = psutil.virtual_memory()._replace(available=300_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    with pytest.raises(
        RecogniserDown, match=r"needs 0\.5 GB .* 0\.3 GB are free; choose a smaller"
    ):
        await WhisperRecogniser(tmp_path).ready()


async def test_a_fake_that_is_down_says_so() -> None:
    recogniser = FakeRecogniser()
    recogniser.down = "the cat sleeps on it"

    with pytest.raises(RecogniserDown, match="cat"):
        async with recogniser.segment(language="ja"):
            pass


async def test_nobody_at_the_address() -> None:
    port = free_port()
    recogniser = TcpRecogniser("127.0.0.1", port)

    with pytest.raises(RecogniserDown, match=rf"127\.0\.0\.1:{port}.*start"):
        await recogniser.ready()


async def test_the_tail_that_the_server_would_lose_is_confirmed_first() -> None:
    async with WhisperOnlineServer("en").running() as server:
        recogniser = TcpRecogniser("127.0.0.1", server.port, silence_every_s=0.2)
        async with recogniser.segment(language="en") as segment:
            segment.feed(_tone(1_536))
            transcript = await segment.final()

    assert transcript.text == "the quick brown fox is here"
    assert server.lost == []


async def test_lines_in_single_bytes() -> None:
    async with WhisperOnlineServer("ja", break_lines=True).running() as server:
        recogniser = TcpRecogniser("127.0.0.1", server.port, silence_every_s=0.2)
        async with recogniser.segment(language=None) as segment:
            segment.feed(_tone(1_536))
            transcript = await segment.final()

    assert transcript.text == "今日はとてもいい天気ですね"
    assert transcript.language == "und"


async def test_an_error_inside_the_block_comes_out_as_it_is(engine: Engine) -> None:
    with pytest.raises(RecogniserDown, match=r"^mine$"):
        async with engine.recogniser.segment(language="ja"):
            raise RecogniserDown("mine")


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"", "ended|was lost"),
        (b"220 mail.example.org ESMTP\r\n", "does not speak the protocol"),
        (b"0 100 \xff\xfe\n", "does not speak the protocol"),
        (b"x" * 100_000, "does not speak the protocol"),
    ],
)
async def test_a_server_that_goes_away_or_speaks_something_else(
    answer: bytes, complaint: str
) -> None:
    gone = asyncio.Event()

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()
        await writer.wait_closed()
        gone.set()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with TcpRecogniser("127.0.0.1", port).segment(language="ja") as segment:
            async with asyncio.timeout(60):
                await gone.wait()
            with pytest.raises(RecogniserDown, match=f"127.0.0.1:{port} .*({complaint})"):
                await segment.final()


async def test_who_leaves_in_a_hurry_leaves_no_connection_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server reads no more, so that what is still to be sent never goes out."""
    monkeypatch.setattr(asr_tcp, "BUFFER_BYTES", 100_000_000)
    over = asyncio.Event()

    async def read_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await over.wait()
        writer.close()

    async with await asyncio.start_server(read_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        segment = await TcpRecogniser("127.0.0.1", port)._connect("ja")
        segment.feed(np.zeros(ms_to_samples(1_000_000), np.int16))
        leaving = asyncio.create_task(segment.leave())
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        await segment._lost.wait()
        over.set()


def _tone(ms: int) -> Samples:
    time = np.arange(ms_to_samples(ms)) / 16_000
    return (8_000 * np.sin(2 * np.pi * 220 * time)).astype(np.int16)


# --- voice activity, and both together ------------------------------------------------------------


def segments(samples: Samples, voice: VoiceActivity) -> list[Samples]:
    endpointer = Endpointer()
    found: list[Samples] = []
    start = 0
    decisions = []
    for at in range(0, len(samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        probability = voice.probability(samples[at : at + FRAME_SAMPLES])
        assert 0 <= probability <= 1
        decisions += endpointer.step(probability, at + FRAME_SAMPLES)
    for decision in [*decisions, *endpointer.flush()]:
        if isinstance(decision, SegmentStarted):
            start = decision.start
        elif isinstance(decision, SegmentEnded):
            found.append(samples[start : decision.end])
    return found


def between_silence(samples: Samples) -> Samples:
    return np.concatenate([SILENCE, samples, SILENCE])


@pytest.mark.parametrize("activity", [EnergyVoiceActivity, SileroVoiceActivity])
def test_speech_is_one_segment_and_silence_is_none(activity: type[VoiceActivity]) -> None:
    [segment] = segments(between_silence(japanese("はい")), activity())

    assert ms_to_samples(400) < len(segment) < ms_to_samples(1_500)
    assert segments(SILENCE, activity()) == []


@pytest.mark.parametrize("activity", [EnergyVoiceActivity, SileroVoiceActivity])
def test_a_frame_is_a_whole_frame(activity: type[VoiceActivity]) -> None:
    with pytest.raises(ValueError, match="512"):
        activity().probability(SILENCE[:100])


def test_captures_do_not_share_what_they_heard() -> None:
    speech = japanese(SENTENCE)
    frame = np.zeros(FRAME_SAMPLES, np.int16)
    fresh, used = SileroVoiceActivity(), SileroVoiceActivity()
    for at in range(0, len(speech) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        used.probability(speech[at : at + FRAME_SAMPLES])

    assert SileroVoiceActivity().probability(frame) == fresh.probability(frame)


def noises() -> dict[str, Samples]:
    chance = np.random.default_rng(7)
    time = np.arange(16_000 * 10) / 16_000
    click = np.exp(-np.arange(400) / 60) * chance.normal(0, 8_000, 400)
    keys = np.convolve(np.where(chance.random(len(time)) < 4 / 16_000, 1.0, 0.0), click, "same")
    breath = np.convolve(chance.normal(0, 2_000, len(time)), np.ones(8) / 8, "same")
    sounds = {
        "silence": np.zeros(len(time)),
        "white noise": chance.normal(0, 1_500, len(time)),
        "hum": 3_000 * np.sin(2 * np.pi * 50 * time) + 1_500 * np.sin(2 * np.pi * 150 * time),
        "keys": keys,
        "breath": breath * np.clip(np.sin(2 * np.pi * 0.25 * time), 0, 1) ** 2,
    }
    return {name: sound.clip(-32_768, 32_767).astype(np.int16) for name, sound in sounds.items()}


@pytest.mark.parametrize("name", noises())
def test_noise_opens_no_segment(name: str) -> None:
    assert segments(noises()[name], SileroVoiceActivity()) == []


@pytest.mark.real
@pytest.mark.parametrize("language", ["ja", "en", None])
async def test_without_the_gate_too_silence_and_hum_have_no_text(language: str | None) -> None:
    async with whisper() as engine:
        for name in ("silence", "white noise", "hum"):
            async with engine.recogniser.segment(language=language) as segment:
                segment.feed(noises()[name][: 3 * 16_000])
                assert (await segment.final()).text == "", name


@pytest.mark.real
async def test_a_vocabulary_is_not_heard_in_noise_and_helps_in_speech() -> None:
    prompt = "さくら、さくらさん。"
    async with whisper() as engine:
        for name in ("silence", "white noise", "keys", "breath"):
            async with engine.recogniser.segment(language="ja", prompt=prompt) as segment:
                segment.feed(noises()[name][: 3 * 16_000])
                assert (await segment.final()).text == "", name
        for sound in (japanese("さくら、今日の天気は？"), japanese("さくら。")):
            async with engine.recogniser.segment(language="ja", prompt=prompt) as segment:
                segment.feed(sound)
                assert (await segment.final()).text.startswith("さくら")


@pytest.mark.real
async def test_short_answers_are_heard() -> None:
    async with whisper() as engine:
        for sound, language, expected in (
            (japanese("はい"), "ja", "はい"),
            (japanese("そうですね"), "ja", "そうですね"),
            (english("Yes."), "en", "Yes"),
        ):
            [found] = segments(between_silence(sound), SileroVoiceActivity())
            async with engine.recogniser.segment(language=language) as segment:
                segment.feed(found)
                assert expected in (await segment.final()).text


@pytest.mark.real
async def test_the_language_is_detected_for_each_segment_alone() -> None:
    async with whisper() as engine:
        for sound, language in (
            (japanese(SENTENCE), "ja"),
            (english("What is the weather going to be like tomorrow?"), "en"),
            (japanese(SENTENCE), "ja"),
        ):
            for unknown in (None, "xx"):
                async with engine.recogniser.segment(language=unknown) as segment:
                    segment.feed(sound)
                    assert (await segment.final()).language == language
