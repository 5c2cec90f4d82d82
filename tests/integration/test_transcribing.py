"""`kaiwa transcribe`: a recording becomes text in several forms, and however it ends, all of it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from kaiwa import cli_transcribe
from kaiwa.adapters.memory.asr import EnergyVoiceActivity, FakeRecogniser, FakeSegment
from kaiwa.adapters.pyav_decoder import PyAvDecoder
from kaiwa.cli import main
from kaiwa.domain.speech import Partial, Transcript
from kaiwa.errors import BrokenAudio, UnsupportedMedia
from kaiwa.transcribing import FORMS, Said, Text, opened, transcribe
from tests.contract.uploads import piped
from tests.sounds import packed, speech

TWICE = speech(600, 900, 1_100, 900)
"""Somebody speaks two times."""


class Watched(FakeRecogniser):
    """Counts the hypotheses that are asked for; with `interrupts` Ctrl-C comes while the second
    segment is recognised."""

    def __init__(self, *, interrupts: bool = False) -> None:
        super().__init__()
        self.interrupts = interrupts
        self.partials = self.finals = 0

    @asynccontextmanager
    async def segment(
        self, *, language: str | None, prompt: str = ""
    ) -> AsyncIterator[FakeSegment]:
        async with super().segment(language=language, prompt=prompt):
            yield WatchedSegment(self, language or self.detects)


class WatchedSegment(FakeSegment):
    def __init__(self, watched: Watched, language: str) -> None:
        super().__init__(watched, language)
        self._watched = watched

    async def partial(self) -> Partial | None:
        self._watched.partials += 1
        return await super().partial()

    async def final(self, *, last: bool = True) -> Transcript:
        self._watched.finals += 1
        if self._watched.interrupts and self._watched.finals == 2:
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()
        return await super().final(last=last)


async def said_in(file: Path, recogniser: FakeRecogniser | None = None) -> list[Said]:
    said: list[Said] = []
    heard: list[int] = []
    with opened(file) as recording:
        await transcribe(
            recording,
            recogniser=recogniser or FakeRecogniser(),
            vad=EnergyVoiceActivity,
            decoder=PyAvDecoder(),
            language="ja",
            on_said=said.append,
            on_heard=heard.append,
        )
    assert heard == sorted(heard) and heard[-1] > said[-1].end_ms
    return said


@pytest.mark.parametrize(
    ("form", "codec"),
    [
        ("webm", "libopus"),
        ("ogg", "libopus"),
        ("wav", "pcm_s16le"),
        ("mp4", "aac"),
        ("mov", "alac"),
        ("matroska", "aac"),
        ("adts", "aac"),
        ("mp3", "libmp3lame"),
        ("flac", "flac"),
    ],
)
async def test_any_container_becomes_timed_text(tmp_path: Path, form: str, codec: str) -> None:
    file = tmp_path / "recording"
    file.write_bytes(packed(TWICE, form, codec))
    said = await said_in(file)
    assert [each.text[:3] for each in said] == ["今日は", "今日は"]
    assert said[0].end_ms < said[1].start_ms


async def test_each_segment_is_recognised_once(tmp_path: Path) -> None:
    file = tmp_path / "recording"
    file.write_bytes(packed(TWICE, "wav", "pcm_s16le"))
    recogniser = Watched()
    await said_in(file, recogniser)
    assert (recogniser.partials, recogniser.finals) == (0, 2)


async def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a recording")
    with pytest.raises(UnsupportedMedia, match=r"notes\.txt"):
        await said_in(file)
    file.write_bytes(b"\xff")
    with pytest.raises(UnsupportedMedia):
        await said_in(file)
    file.write_bytes(b"OggS" + b"\x00" * 4_000)
    with pytest.raises(BrokenAudio):
        await said_in(file)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_text(form: str) -> None:
    text = Text(form)
    both = Said(500, 1_500, "はい", "ja"), Said(2_000, 3_000, "いいえ", "ja")
    written = text.head + "".join(text.added(each) for each in both) + text.foot
    match form:
        case "txt":
            assert written == "はい\nいいえ\n"
        case "json":
            assert [each["start_ms"] for each in json.loads(written)] == [500, 2_000]
        case "srt":
            assert written.startswith("1\n00:00:00,500 --> 00:00:01,500\nはい\n\n2\n")
        case "vtt":
            assert written.startswith("WEBVTT\n\n00:00:00.500 --> 00:00:01.500\nはい\n\n")


def test_nothing_said_is_json_too() -> None:
    text = Text("json")
    assert json.loads(text.head + text.foot) == []


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def recogniser(monkeypatch: pytest.MonkeyPatch) -> Watched:
    made = Watched()
    monkeypatch.setattr("kaiwa.cli._embedded_recogniser", lambda model: made)
    monkeypatch.setattr(cli_transcribe, "SileroVoiceActivity", EnergyVoiceActivity)
    return made


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status of `kaiwa transcribe`, which leaves no process behind."""
    before = set(psutil.Process().children())
    monkeypatch.setattr(sys, "argv", ["kaiwa", "transcribe", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert set(psutil.Process().children()) <= before
    return int(caught.value.code or 0)


@pytest.mark.parametrize("form", FORMS)
def test_what_can_be_read_of_a_broken_file_is_written(
    form: str,
    recogniser: Watched,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "recording.wav"
    sound = speech(600, 900, 600, 900, 600, 900)
    file.write_bytes(packed(sound, "wav", "pcm_s16le")[:-96_000])
    assert run(monkeypatch, str(file), "--format", form) == 1
    out, err = capsys.readouterr()
    assert out.count("今日は") == 2 if form != "json" else len(json.loads(out)) == 2
    assert err.startswith(f"kaiwa: {file}: The WAV recording is cut off") and err.count("\n") == 1
    assert "up to 0:00:0" in err


def test_standard_input_is_a_recording(
    recogniser: Watched, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with piped(packed(TWICE, "webm", "libopus")) as pipe:
        monkeypatch.setattr(sys, "stdin", open(pipe, closefd=False))  # noqa: SIM115
        assert run(monkeypatch, "-") == 0
    out, err = capsys.readouterr()
    assert out.count("今日は") == 2 and err == ""


def test_a_bar_on_the_terminal_leaves_the_text_alone(
    recogniser: Watched,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes standard error for a terminal
    file = tmp_path / "recording.wav"
    file.write_bytes(packed(TWICE, "wav", "pcm_s16le"))
    assert run(monkeypatch, str(file)) == 0
    out, err = capsys.readouterr()
    assert [line[:3] for line in out.splitlines()] == ["今日は", "今日は"]
    assert "0:00:03" in err and "今日は" not in err


def test_ctrl_c_leaves_a_whole_text(
    recogniser: Watched,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recogniser.interrupts = True
    file = tmp_path / "recording.wav"
    file.write_bytes(packed(TWICE, "wav", "pcm_s16le"))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    try:
        assert run(monkeypatch, str(file), "--format", "json") == 130
    finally:
        signal.signal(signal.SIGINT, before)
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 1 and err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_full_disk_is_one_line(
    recogniser: Watched,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "recording.wav"
    file.write_bytes(packed(TWICE, "wav", "pcm_s16le"))
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert run(monkeypatch, str(file)) == 1
    assert capsys.readouterr().err == (
        "kaiwa: the text cannot be written: No space left on device\n"
    )
