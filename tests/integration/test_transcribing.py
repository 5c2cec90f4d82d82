"""`kaiwa transcribe`: a recording becomes text in several forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kaiwa.adapters.memory.asr import EnergyVoiceActivity, FakeRecogniser
from kaiwa.adapters.pyav_decoder import PyAvDecoder
from kaiwa.errors import BrokenAudio, UnsupportedMedia
from kaiwa.transcribing import FORMS, Said, transcribe, written
from tests.sounds import packed, speech


async def said_in(file: Path) -> tuple[list[Said], int]:
    """What is said, and how many bytes were told of."""
    told: list[int] = []
    decoder = PyAvDecoder()
    try:
        said = await transcribe(
            file,
            recogniser=FakeRecogniser(),
            vad=EnergyVoiceActivity,
            decoder=decoder,
            language="ja",
            on_bytes=told.append,
        )
    finally:
        await decoder.close()
    return said, sum(told)


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
    file.write_bytes(packed(speech(600, 900, 1_100, 900), form, codec))
    said, told = await said_in(file)
    assert [each.text[:3] for each in said] == ["今日は", "今日は"]
    assert said[0].end_ms < said[1].start_ms
    assert told == file.stat().st_size


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
    text = written([Said(500, 1_500, "はい", "ja"), Said(2_000, 3_000, "いいえ", "ja")], form)
    assert "はい" in text and "いいえ" in text
    if form == "json":
        assert json.loads(text)[0]["start_ms"] == 500
    if form == "srt":
        assert text.startswith("1\n00:00:00,500 --> 00:00:01,500\nはい\n\n2\n")
