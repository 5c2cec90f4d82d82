"""What every server voice does, real ones and the tone that plays one in tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import numpy as np
import psutil
import pytest
import pytest_asyncio

from kaiwa.adapters import voice_process
from kaiwa.adapters.memory.tts import ToneVoices
from kaiwa.adapters.tts_hibari import HibariVoices
from kaiwa.adapters.tts_kokoro import KokoroVoices
from kaiwa.adapters.tts_openai import OpenAIVoices
from kaiwa.adapters.tts_openjtalk import OpenJTalkVoices
from kaiwa.adapters.tts_voicevox import VoicevoxVoices
from kaiwa.adapters.voice_frames import AT_ONCE
from kaiwa.adapters.voice_process import VoiceProcess
from kaiwa.domain.audio import Speech
from kaiwa.errors import VoiceDown
from kaiwa.pipeline.voices import VoiceBook
from kaiwa.ports.tts import ANY_LANGUAGE, Prosody, Voice, VoiceEngine
from tests.fakes.voice_servers import FakeSpeech, FakeVoicevox
from tests.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT = {"ja": "はい。", "en": "Yes."}
SENTENCE = {"ja": "今日はいい天気です。", "en": "The weather is nice today."}
LONG = {
    "ja": "とても長い文です、" * 60,
    "en": "This is a very long sentence, and it does not want to end, " * 12,
}
LONGEST_LEAD_MS = 60
_ENGINES: dict[str, Callable[[VoiceProcess], VoiceEngine]] = {
    "kokoro": KokoroVoices,
    "openjtalk": OpenJTalkVoices,
    "hibari": HibariVoices,
}
_SERVERS = ("voicevox", "speech")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[VoiceProcess]:
    made = VoiceProcess()
    yield made
    await made.close()


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=["tone", *_SERVERS, *(pytest.param(name, marks=pytest.mark.real) for name in _ENGINES)],
)
async def engine(
    request: pytest.FixtureRequest, process: VoiceProcess
) -> AsyncIterator[VoiceEngine]:
    if request.param == "tone":
        yield ToneVoices()
    elif request.param == "voicevox":
        async with FakeVoicevox.run() as server:
            voicevox = VoicevoxVoices(server.url)
            await voicevox.ready()
            yield voicevox
            await voicevox.close()
    elif request.param == "speech":
        async with FakeSpeech.run() as server:
            speech = speech_voices(server.url)
            yield speech
            await speech.close()
    else:
        yield _ENGINES[request.param](process)


def speech_voices(url: str, key: str = "") -> OpenAIVoices:
    return OpenAIVoices(f"{url}/v1", api_key=key, model="tts-1", names=["alloy"])


def in_its_language(engine: VoiceEngine, texts: Mapping[str, str]) -> str:
    """A text that its first voice can speak."""
    return texts.get(first(engine).language, texts["en"])


def first(engine: VoiceEngine) -> Voice:
    return engine.voices[0]


def silence_ms(speech: Speech, *, at_end: bool = False) -> float:
    """Until the first sample within 45 dB of the loudest (or after the last one)."""
    level = np.abs(speech.pcm.astype(np.int32))
    loud = np.flatnonzero(level >= level.max() * 10 ** (-45 / 20))
    samples = len(level) - 1 - loud[-1] if at_end else loud[0]
    return float(samples) * 1000 / speech.rate


async def test_its_voices_say_who_they_are(engine: VoiceEngine) -> None:
    assert engine.voices
    for voice in engine.voices:
        assert voice.id.startswith(f"{voice.engine}:")
        assert voice.engine == engine.name
        assert voice.language in (*SHORT, ANY_LANGUAGE)
        assert voice.name and voice.licence


async def test_a_word_becomes_sound_without_silence_around_it(engine: VoiceEngine) -> None:
    await engine.ready()
    voice = first(engine)
    speech = await engine.speak(in_its_language(engine, SHORT), voice)
    assert 100 < speech.duration_ms < 1_500
    assert int(np.abs(speech.pcm).max()) > 1_000
    assert silence_ms(speech) <= LONGEST_LEAD_MS
    assert silence_ms(speech, at_end=True) <= LONGEST_LEAD_MS


async def test_more_text_is_more_sound(engine: VoiceEngine) -> None:
    voice = first(engine)
    short = await engine.speak(in_its_language(engine, SHORT), voice)
    sentence = await engine.speak(in_its_language(engine, SENTENCE), voice)
    assert sentence.duration_ms > 2 * short.duration_ms


@pytest.mark.parametrize("text", ["", " ", "。", "……！？", "\n", "—", "🙂"])
async def test_nothing_to_say_is_no_sound(engine: VoiceEngine, text: str) -> None:
    assert len((await engine.speak(text, first(engine))).pcm) == 0


@pytest.mark.parametrize("text", ["\x00はい", "ＡＢＣ", "éèü 123", "한국어", "<b>はい</b>", "𠮷"])
async def test_odd_text_does_not_break_it(engine: VoiceEngine, text: str) -> None:
    await engine.speak(text, first(engine))
    voice = first(engine)
    assert len((await engine.speak(in_its_language(engine, SHORT), voice)).pcm) > 0


async def test_long_text_is_spoken_to_its_end(engine: VoiceEngine) -> None:
    voice = first(engine)
    if voice.engine == "kokoro":
        pytest.skip("a minute of Kokoro takes a minute; its parts are tested in test_kokoro_text")
    sentence = await engine.speak(in_its_language(engine, SENTENCE), voice)
    speech = await engine.speak(in_its_language(engine, LONG), voice)
    assert speech.duration_ms > 8 * sentence.duration_ms


async def test_a_voice_goes_faster_where_it_can(engine: VoiceEngine) -> None:
    voice, text = first(engine), in_its_language(engine, SENTENCE)
    plain = await engine.speak(text, voice)
    fast = await engine.speak(text, voice, Prosody(speed=1.5))
    assert voice.speed
    assert 1.2 < plain.duration_ms / fast.duration_ms < 1.8


async def test_a_voice_goes_higher_where_it_can(engine: VoiceEngine) -> None:
    voice, text = first(engine), in_its_language(engine, SENTENCE)
    plain = await engine.speak(text, voice)
    high = await engine.speak(text, voice, Prosody(pitch=6))
    expected = 2 ** (6 / 12) if voice.pitch else 1.0
    assert pitch_hz(high) / pitch_hz(plain) == pytest.approx(expected, rel=0.1)


def pitch_hz(speech: Speech) -> float:
    """The median over 40 ms frames, by autocorrelation between 80 and 600 Hz."""
    frame = speech.rate // 25
    lags = np.arange(speech.rate // 600, speech.rate // 80)
    found = []
    for start in range(0, len(speech.pcm) - frame - int(lags[-1]), frame):
        sound = speech.pcm[start : start + frame + int(lags[-1])].astype(np.float64)
        head = sound[:frame]
        if np.abs(head).max() > 2_000:
            likeness = [head @ sound[lag : lag + frame] for lag in lags]
            found.append(speech.rate / lags[int(np.argmax(likeness))])
    return float(np.median(found))


async def test_calls_at_once_are_all_answered(engine: VoiceEngine) -> None:
    voice = first(engine)
    async with asyncio.TaskGroup() as tasks:
        calls = [
            tasks.create_task(engine.speak(in_its_language(engine, SHORT), voice)) for _ in range(3)
        ]
    lengths = [call.result().duration_ms for call in calls]
    assert min(lengths) > 100
    assert max(lengths) - min(lengths) < 100


# --- the shared process -------------------------------------------------------------------------


@pytest.mark.real
async def test_a_killed_child_fails_one_call_and_comes_back(process: VoiceProcess) -> None:
    engine = OpenJTalkVoices(process)
    await engine.ready()
    assert process.pid is not None
    call = asyncio.ensure_future(engine.speak(LONG["ja"], first(engine)))
    for _ in range(5):
        await asyncio.sleep(0)  # let it go out
    psutil.Process(process.pid).kill()
    with pytest.raises(VoiceDown):
        await call
    assert len((await engine.speak(SHORT["ja"], first(engine))).pcm) > 0


@pytest.mark.real
async def test_a_call_no_longer_wanted_does_not_hold_up_the_next(process: VoiceProcess) -> None:
    """Kokoro would need minutes for this text; the test's time-out is the proof."""
    kokoro, openjtalk = KokoroVoices(process), OpenJTalkVoices(process)
    await kokoro.ready()
    unwanted = asyncio.ensure_future(kokoro.speak(LONG["ja"], first(kokoro)))
    waiting = asyncio.ensure_future(kokoro.speak(LONG["ja"], first(kokoro)))
    wanted = asyncio.ensure_future(openjtalk.speak(SHORT["ja"], first(openjtalk)))
    await asyncio.sleep(0)
    pid = process.pid
    for call in (unwanted, waiting):
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert len((await wanted).pcm) > 0
    assert process.pid == pid
    assert len((await kokoro.speak(SHORT["ja"], first(kokoro))).pcm) > 0


@pytest.mark.real
async def test_a_long_call_does_not_hold_up_the_next(process: VoiceProcess) -> None:
    """Kokoro would need minutes for the first text; the test's time-out is the proof."""
    kokoro = KokoroVoices(process)
    await kokoro.ready()
    long = asyncio.ensure_future(kokoro.speak(LONG["ja"], first(kokoro)))
    assert len((await kokoro.speak(SHORT["ja"], first(kokoro))).pcm) > 0
    assert not long.done()
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert len((await kokoro.speak(SHORT["ja"], first(kokoro))).pcm) > 0


@pytest.mark.real
async def test_a_voice_that_does_not_exist_is_down(process: VoiceProcess) -> None:
    engine = KokoroVoices(process)
    with pytest.raises(VoiceDown):
        await engine.speak("はい。", Voice("kokoro:nobody", "Nobody", "ja", "kokoro", ""))
    assert len((await engine.speak("はい。", first(engine))).pcm) > 0


@pytest.mark.real
async def test_closing_ends_the_child_and_refuses_more() -> None:
    process = VoiceProcess()
    engine = OpenJTalkVoices(process)
    await engine.ready()
    assert process.pid is not None
    child = psutil.Process(process.pid)
    await process.close()
    assert not child.is_running()
    with pytest.raises(VoiceDown):
        await engine.speak("はい。", first(engine))


async def test_who_waits_when_the_voices_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also who waits for a place in the queue."""
    monkeypatch.setattr(voice_process, "MAX_WAITING", 1)
    process = VoiceProcess()
    reached = asyncio.Event()

    async def hang(_: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(process, "_exchange", hang)
    calls = [asyncio.create_task(process.load("openjtalk")) for _ in range(AT_ONCE + 3)]
    await reached.wait()
    await process.close()
    told = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in told] == [VoiceDown] * len(calls)


# --- voices on other servers --------------------------------------------------------------------


async def test_voicevox_names_the_voices_that_talk() -> None:
    async with FakeVoicevox.run() as server:
        engine = VoicevoxVoices(server.url)
        assert not engine.voices
        await engine.ready()
        assert [(v.id, v.name) for v in engine.voices] == [
            ("voicevox:3", "ずんだもん（ノーマル）"),
            ("voicevox:1", "ずんだもん（あまあま）"),
        ]
        await engine.speak("はい。", engine.voices[0], Prosody(1.2, 3))
        assert server.plans[0]["speedScale"] == 1.2
        assert server.plans[0]["accent_phrases"]  # the server's own plan goes back to it
        await engine.close()


async def test_a_voice_server_that_fails_or_is_away_is_down() -> None:
    async with FakeVoicevox.run() as server:
        voicevox = VoicevoxVoices(server.url)
        await voicevox.ready()
        server.broken = True
        with pytest.raises(VoiceDown, match="refused \\(500\\)"):
            await voicevox.speak("はい。", voicevox.voices[0])
    with pytest.raises(VoiceDown, match="cannot be reached"):
        await voicevox.speak("はい。", voicevox.voices[0])
    with pytest.raises(VoiceDown):
        await voicevox.ready()
    await voicevox.close()
    guarded = VoicevoxVoices(server.url.replace("http://", "http://mari:secret@"))
    with pytest.raises(VoiceDown, match=r"http://127\.0\.0\.1:[0-9]+ cannot"):
        await guarded.ready()
    await guarded.close()


async def test_what_is_said_on_this_machine_goes_through_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with FakeVoicevox.run() as server:
        engine = VoicevoxVoices(server.url)
        await engine.ready()
        await engine.close()
    assert engine.voices


async def test_a_speech_server_wants_its_key() -> None:
    async with FakeSpeech.run() as server:
        server.key = "secret"
        for key, works in (("secret", True), ("wrong", False)):
            engine = speech_voices(server.url, key)
            if works:
                assert len((await engine.speak("Yes.", first(engine))).pcm) > 0
            else:
                with pytest.raises(VoiceDown, match="refused \\(401\\)"):
                    await engine.speak("Yes.", first(engine))
            await engine.close()


async def test_what_is_not_the_protocol_is_down() -> None:
    async with FakeSpeech.run() as server:
        engine = VoicevoxVoices(server.url)
        with pytest.raises(VoiceDown):
            await engine.ready()
        await engine.close()


# --- choosing -----------------------------------------------------------------------------------


async def test_the_book_finds_voices_and_knows_the_usual_ones() -> None:
    process = VoiceProcess()
    kokoro, hibari = KokoroVoices(process), HibariVoices(process)
    book = VoiceBook([OpenJTalkVoices(process), kokoro, hibari])
    assert {voice.id for voice in book.voices} >= {"openjtalk:mei", "kokoro:jf_alpha"}
    assert book.default_for("ja") == (kokoro, kokoro.voices[0])
    assert book.default_for("en") == (hibari, hibari.voices[0])
    assert book.default_for("fr") is None
    assert book.find("kokoro:jm_kumo") == (kokoro, kokoro.voices[4])
    assert book.find("browser") is None


async def test_without_the_usual_voice_another_of_the_language_speaks() -> None:
    tone = ToneVoices("ja")
    assert VoiceBook([tone]).default_for("ja") == (tone, tone.voices[0])
