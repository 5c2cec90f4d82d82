"""What Whisper says when nobody spoke, and how to tell.

Sums over text; no model, no sound. The thresholds come from measurements with whisper-base: looped
Japanese has a mean log-probability of -0.1 to -0.3 and a compression ratio near 1.8, so the two
tests everybody uses let it pass; its length does not.
"""

from __future__ import annotations

from enum import Enum

from kaiwa.adapters.asr_whisper.engine import Decode
from kaiwa.policy.agreement import fold, is_spaced

_TOKENS_PER_S = {"ja": 9, "ko": 9, "zh": 9, "yue": 9, "en": 6}
_TOKENS_PER_S_ELSEWHERE = 12  # scripts with few tokens of their own need several a word
_TOKENS_SPARE = 15

_CHARACTERS_PER_S = 15  # fast Japanese is 8–10 with kanji; kana alone reach 12
_LETTERS_PER_S = 27  # the fastest English is near 22, spaces not counted
_CHARACTERS_SPARE = 12

_LOOP_LENGTHS = range(1, 41)
_LOOP_TIMES = 4  # はいはいはい and "no, no, no" are speech
_LOOP_LEAST = 12  # characters; a short run (ええええ, wwww) is speech too

_REPEAT_LEAST = 12  # characters of a piece said twice, which nobody says that fast:
_REPEAT_RATE = 0.6  # of the fastest speech

_NO_SPEECH = 0.6  # OpenAI's threshold …
_UNSURE = -1.0  # … and theirs for the mean log-probability
_NO_SPEECH_STOCK = 0.4  # against stock phrases; one-word answers were at 0.22 and below

_NEVER_SAID = frozenset(
    fold(phrase)
    for phrase in (
        "ご視聴ありがとうございました",
        "ご視聴いただきありがとうございました",
        "ご視聴いただきありがとうございます",
        "最後までご視聴いただきありがとうございました",
        "最後までご視聴ありがとうございました",
        "最後までご覧いただきありがとうございました",
        "次の動画でお会いしましょう",
        "また次の動画でお会いしましょう",
        "チャンネル登録をお願いします",
        "チャンネル登録お願いします",
        "チャンネル登録よろしくお願いします",
        "高評価とチャンネル登録をお願いします",
        "字幕視聴ありがとうございました",
        "字幕作成者",
        "Thanks for watching",
        "Thank you for watching",
        "Thank you so much for watching",
        "Thanks for watching and I'll see you in the next video",
        "Please subscribe to my channel",
        "Don't forget to like and subscribe",
        "Subtitles by the Amara.org community",
        "Transcription by CastingWords",
        "Subs by www.zeoranger.co.uk",
    )
)
"""Lines of video subtitles that the model learnt to put under silence; nobody says them in a
talk, so they go wherever they stand at the end of a text."""

_STOCK = frozenset(
    fold(phrase)
    for phrase in (
        "ありがとうございました",
        "ありがとうございます",
        "おやすみなさい",
        "お疲れ様でした",
        "Thank you",
        "Thank you very much",
        "Thanks",
        "you",
    )
)
"""Invented under silence, and said by people too: dropped only when the model doubts that
anybody spoke. Not its log-probability: that of a real はい is -1.4."""

_SENTENCE_ENDS = "。．.!?！？\n"


class Verdict(Enum):
    """What to do with a decode."""

    GOOD = "good"
    SILENCE = "silence"
    """Nobody spoke; a second look would not help."""
    RUNAWAY = "runaway"
    """The decoder ran away from the sound; another window may bring it back."""


def token_cap(language: str, speech_s: float) -> int:
    """More tokens than anybody says in that time. It caught every loop that was seen."""
    rate = _TOKENS_PER_S.get(language, _TOKENS_PER_S_ELSEWHERE)
    return int(rate * speech_s) + _TOKENS_SPARE


def judge(decode: Decode, speech_s: float) -> Verdict:
    """Whether a decode of `speech_s` seconds can be believed."""
    text = decode.text
    if decode.capped or loops(text) or repeats(text, speech_s) or outruns(text, speech_s):
        return Verdict.RUNAWAY
    if not fold(decode.text) or (decode.no_speech > _NO_SPEECH and decode.logprob < _UNSURE):
        return Verdict.SILENCE
    if decode.no_speech > _NO_SPEECH_STOCK and fold(decode.text) in _STOCK:
        return Verdict.SILENCE
    return Verdict.GOOD


def is_led(decode: Decode, prompt: str) -> bool:
    """Whether the prompt may have put the words there, as it does in noise: they are its own, or
    doubted (-1.9 and -3.7 in noise, where the prompt also lowers `no_speech` to 0.2)."""
    return bool(prompt) and (fold(decode.text) in fold(prompt) or decode.logprob < _UNSURE)


def loops(text: str) -> bool:
    """Whether the text ends in one piece said over and over."""
    key = fold(text)
    for length in _LOOP_LENGTHS:
        times = max(_LOOP_TIMES, -(-_LOOP_LEAST // length))
        if len(key) >= times * length and key.endswith(key[-length:] * times):
            return True
    return False


def outruns(text: str, speech_s: float) -> bool:
    """Whether this is more text than fits into the time."""
    return _needed_s(fold(text)) > speech_s + _CHARACTERS_SPARE / _CHARACTERS_PER_S


def repeats(text: str, speech_s: float) -> bool:
    """Whether the text ends in a long piece said twice, faster than people repeat themselves."""
    key = fold(text)
    twice = any(
        key.endswith(key[-length:] * 2) for length in range(_REPEAT_LEAST, len(key) // 2 + 1)
    )
    return twice and _needed_s(key) > _REPEAT_RATE * speech_s


def _needed_s(key: str) -> float:
    """The time that the fastest speaker needs for a folded text."""
    letters = sum(map(is_spaced, key))
    return letters / _LETTERS_PER_S + (len(key) - letters) / _CHARACTERS_PER_S


def without_subtitles(text: str) -> str:
    """The text less the subtitle lines at its end; empty if it was nothing else."""
    while text:
        body = text.rstrip().rstrip(_SENTENCE_ENDS).rstrip()
        start = max(map(body.rfind, _SENTENCE_ENDS)) + 1
        if fold(body[start:]) not in _NEVER_SAID and fold(body) not in _NEVER_SAID:
            break
        text = "" if fold(body) in _NEVER_SAID else body[:start].rstrip()
    return text
