"""The agent's own voice, come back: by its words and by its rise and fall."""

from __future__ import annotations

import numpy as np
import pytest

from kaiwa.domain.audio import Samples, ms_to_samples
from kaiwa.pipeline.loudness import frame_powers
from kaiwa.policy.echo import ALIKE, THE_SAME, is_echo, likeness, voiced

PLAYED = "富士山の高さは3,776メートルで、日本で一番高い山です。"


@pytest.mark.parametrize(
    ("text", "played"),
    [
        ("富士山の高さは", PLAYED),
        ("日本で一番高い山です", PLAYED),
        ("日本で1番高い山でした", PLAYED),
        ("ふじさんの高さは3776メートル", PLAYED),
        ("is the capital of Japan", "Tokyo is the capital of Japan, and it has many people."),
        ("Tokyo is the capitol of Japan", "Tokyo is the capital of Japan."),
    ],
)
def test_the_agents_own_voice_is_known_though_misheard(text: str, played: str) -> None:
    assert is_echo(text, played, None, None)


@pytest.mark.parametrize(
    ("text", "played"),
    [
        ("待って", PLAYED),
        ("ちょっと待ってください", PLAYED),
        ("それよりエベレストの話をして", PLAYED),
        ("うん", PLAYED),
        ("富士山", ""),
        ("What about Osaka", "Tokyo is the capital of Japan."),
        ("", PLAYED),
    ],
)
def test_what_a_person_says_is_no_echo(text: str, played: str) -> None:
    assert not is_echo(text, played, None, None)


@pytest.mark.parametrize(
    ("text", "played"),
    [
        ("富士山の高さ大阪の天気はどうですか日本で一番高い山です", PLAYED),
        (
            "Tokyo, please make it shorter, and many people live there.",
            "Tokyo is the capital of Japan, and many people live there.",
        ),
        (
            "Tokyo is the capital of J-wait a minute and many people live there.",
            "Tokyo is the capital of Japan, and many people live there.",
        ),
        ("富士山の高さはストップ日本で一番高い山です", PLAYED),
    ],
)
def test_who_speaks_at_the_same_time_is_heard(text: str, played: str) -> None:
    assert not is_echo(text, played, 0.7, 0.7)


def test_words_that_were_played_are_somebodys_if_they_sound_otherwise() -> None:
    assert is_echo("日本で一番高い山です", PLAYED, 0.8, 0.8)
    assert not is_echo("日本で一番高い山です", PLAYED, 0.3, 0.3)


def test_sound_that_was_played_is_an_echo_whatever_was_recognised() -> None:
    assert is_echo("日光で伊豆に行く", PLAYED, 0.95, 0.95)
    assert not is_echo("日光で伊豆に行く", PLAYED, 0.7, 0.7)
    assert not is_echo("待って", PLAYED, 0.95, 0.95)
    assert not is_echo("日光で伊豆に行く", "", 0.95, 0.95)


def talking(seed: int, seconds: float = 2.0) -> Samples:
    """Syllables: noise that rises and falls as a voice does."""
    noise = np.random.default_rng(seed)
    syllables = np.repeat(noise.uniform(0, 1, int(seconds * 6)), ms_to_samples(1_000) // 6)
    sound: Samples = (noise.normal(0, 4_000, len(syllables)) * syllables).astype(np.int16)
    return sound


@pytest.mark.parametrize("late_ms", [50, 100, 200, 300])
def test_an_echo_rises_and_falls_as_the_clip_does(late_ms: int) -> None:
    clip = talking(1)
    room = np.random.default_rng(9).normal(0, 30, ms_to_samples(2_600)).astype(np.int16)
    start = ms_to_samples(300 + late_ms)
    room[start : start + len(clip)] += clip[: len(room) - start] // 3
    heard, played = frame_powers(room), frame_powers(clip)
    found = likeness(heard, played)
    assert found is not None and found > THE_SAME
    part = likeness(heard[30:55], played)
    assert part is not None and part > ALIKE


def test_a_short_clip_is_known_beside_one_that_sounds_later() -> None:
    """はい、 comes back alone; the clause after it may have been in the air, and was not yet."""
    clip, later = talking(1, 0.5), talking(8)
    room = np.random.default_rng(9).normal(0, 8, ms_to_samples(1_200)).astype(np.int16)
    start = ms_to_samples(400)
    room[start : start + len(clip)] += clip // 3
    heard = frame_powers(room)
    played = np.concatenate([frame_powers(clip), frame_powers(later)])
    whole, voice = likeness(heard, played), likeness(voiced(heard), played)
    assert whole is not None and whole < ALIKE
    assert is_echo("はい", "はい、私の能力を", whole, voice)
    assert not is_echo("うん", "はい、私の能力を", whole, voice)


def test_another_voice_does_not() -> None:
    found = likeness(frame_powers(talking(2)), frame_powers(talking(1)))
    assert found is not None and found < THE_SAME


def test_what_is_short_or_level_cannot_be_compared() -> None:
    clip = frame_powers(talking(1))
    assert likeness(clip[:5], clip) is None
    assert likeness(np.ones(40), clip) is None
    assert likeness(np.zeros(0), clip) is None
    assert likeness(frame_powers(talking(2, 20.0)), clip) is None
