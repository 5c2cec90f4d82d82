"""What is said in the benches of turns, and where the voice is in it."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper.audio import decode_audio

from bench.server import pcm, spoken
from kaiwa.domain.audio import SAMPLE_RATE, Samples, as_float, ms_to_samples

LONGEST_S = 10.0
VOICED = 10 ** (-45 / 20)  # RMS of 10 ms, of full scale
QUESTIONS = {
    "ja": (
        "今日の予定を教えてください。",
        "おすすめの映画はありますか？",
        "富士山の高さは何メートルですか？",
        "京都で有名なお寺はどこですか？",
        "簡単に作れる料理を教えて。",
        "どうして空は青いんですか？",
        "日本で一番長い川は何ですか？",
        "元気が出る言葉を一つください。",
        "コーヒーと紅茶、どちらが好きですか？",
        "犬と猫の違いは何ですか？",
        "眠れないときはどうすればいいですか？",
        "週末は何をしたらいいと思う？",
    ),
    "en": (
        "What is the capital of Japan?",
        "Can you tell me a short joke?",
        "How do I boil an egg?",
        "Why is the sky blue?",
        "What should I cook for dinner tonight?",
        "How many days are there in a year?",
        "Who wrote Romeo and Juliet?",
        "Can you recommend a good book?",
        "What is the tallest mountain in the world?",
        "How do I get better at chess?",
        "What do cats like to eat?",
        "Tell me something about the moon.",
    ),
}
PAUSES = {
    "ja": (
        ("えーと、", 1.2, "おすすめの映画はありますか？"),
        ("明日の天気は", 1.0, "どうですか？"),
        ("京都で有名な", 0.8, "お寺はどこですか？"),
        ("昨日友だちと映画を見に行ったんだけど、", 1.2, "あまり面白くなかったんです。"),
        ("東京から", 1.0, "大阪まで、何時間かかりますか？"),
        ("それで、", 1.2, "次はどうすればいいですか？"),
        ("簡単に作れる料理を", 0.6, "教えてください。"),
        ("もし雨が降ったら、", 1.0, "どこに行けばいいですか？"),
    ),
    "en": (
        ("Um,", 1.2, "can you recommend a good book?"),
        ("I would like to know the", 1.0, "capital of Japan."),
        ("What is the", 0.8, "tallest mountain in the world?"),
        ("I went to a restaurant yesterday, but", 1.2, "it was not very good."),
        ("Can you tell me", 1.0, "how to boil an egg?"),
        ("If it rains tomorrow,", 1.0, "what should I do?"),
        ("Well,", 1.2, "what do you think about cats?"),
        ("I need a book about", 0.6, "the history of Rome."),
    ),
}

OVER = {
    "ja": (
        ("うん。", False),
        ("なるほど。", False),
        ("そうですね。", False),
        ("待って。", True),
        ("ちょっと待って。", True),
        ("それより、大阪の天気はどうですか？", True),
    ),
    "en": (
        ("Uh-huh.", False),
        ("Yeah.", False),
        ("I see.", False),
        ("Wait.", True),
        ("Stop, please.", True),
        ("What about the weather in Osaka?", True),
    ),
}
ECHO = "(its own voice)"
LONG_ANSWER = {
    "ja": "昔話を一つ、長く話してください。",
    "en": "Tell me a long story about a fox.",
}


def questions(language: str, folder: Path | None) -> list[tuple[str, Samples]]:
    found = [(text, spoken(text, language, 0)) for text in QUESTIONS[language]]
    if folder is not None:
        for line in (Path(folder) / "manifest.jsonl").read_text().splitlines():
            entry = json.loads(line)
            sound = decode_audio(str(Path(folder) / entry["file"]))
            if entry["language"] == language and len(sound) <= LONGEST_S * SAMPLE_RATE:
                found.append((f"{entry['file']}: {entry['text']}", pcm(sound, 0)))
    return found


def paused(language: str) -> list[tuple[str, Samples]]:
    return [
        (
            f"{first} … {pause} s … {rest}",
            np.concatenate(
                [
                    _trimmed(spoken(first, language, 0)),
                    silence(pause),
                    _trimmed(spoken(rest, language, 0)),
                ]
            ),
        )
        for first, pause, rest in PAUSES[language]
    ]


def _levels(sound: Samples) -> Any:
    step = ms_to_samples(10)
    whole = as_float(sound[: len(sound) // step * step]).reshape(-1, step)
    return np.sqrt(np.square(whole).mean(axis=1))


def last_voiced(sound: Samples) -> int:
    voiced = np.flatnonzero(_levels(sound) > VOICED)
    return (int(voiced[-1]) + 1) * ms_to_samples(10) if len(voiced) else len(sound)


def first_voiced(sound: Samples) -> int:
    voiced = np.flatnonzero(_levels(sound) > VOICED)
    return int(voiced[0]) * ms_to_samples(10) if len(voiced) else 0


def _trimmed(sound: Samples) -> Samples:
    return sound[first_voiced(sound) : last_voiced(sound)]


def leading_silence_s(data: bytes) -> float:
    with wave.open(io.BytesIO(data)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        step = file.getframerate() // 100
    levels = np.sqrt(
        np.square(as_float(sound[: len(sound) // step * step])).reshape(-1, step).mean(1)
    )
    voiced = np.flatnonzero(levels > VOICED)
    return float(voiced[0]) / 100 if len(voiced) else 0.0


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * SAMPLE_RATE), np.int16)
