"""What Whisper invents is told from what people say, by the text alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiwa.adapters.asr_whisper.engine import (
    FLOOR_S,
    FULL_CONTEXT_S,
    MARGIN_S,
    Decode,
    context_s,
)
from kaiwa.adapters.asr_whisper.guards import (
    Verdict,
    judge,
    loops,
    outruns,
    repeats,
    token_cap,
    without_subtitles,
)


def decode(
    text: str, *, logprob: float = -0.3, no_speech: float = 0.05, capped: bool = False
) -> Decode:
    return Decode(text, (), logprob, no_speech, capped)


def test_the_window_is_the_speech_and_a_margin_between_floor_and_full() -> None:
    assert context_s(0.5) == FLOOR_S
    assert context_s(10) == 10 + MARGIN_S
    assert context_s(29) == FULL_CONTEXT_S


def test_ordinary_speech_is_good() -> None:
    assert judge(decode("今日はとてもいい天気ですね。"), 2.0) is Verdict.GOOD
    assert judge(decode("Once the test is complete, click on its name."), 3.0) is Verdict.GOOD


@pytest.mark.parametrize("text", ["はい", "うん", "ええと", "Yes.", "Okay", "ん", "待って"])
def test_short_answers_are_good_though_the_model_is_unsure(text: str) -> None:
    assert judge(decode(text, logprob=-1.5, no_speech=0.3), 0.7) is Verdict.GOOD


def test_a_decode_that_hit_the_cap_ran_away() -> None:
    assert judge(decode("今日は", capped=True), 5.0) is Verdict.RUNAWAY


def test_a_sure_no_speech_is_silence_only_with_an_unsure_text() -> None:
    assert judge(decode("そう", logprob=-1.6, no_speech=0.8), 2.0) is Verdict.SILENCE
    assert judge(decode("そう", logprob=-0.4, no_speech=0.8), 2.0) is Verdict.GOOD


def test_thanks_are_kept_unless_nobody_seems_to_speak() -> None:
    assert judge(decode("ありがとうございました。"), 1.5) is Verdict.GOOD
    assert judge(decode("ありがとうございました。", no_speech=0.5), 1.5) is Verdict.SILENCE
    assert judge(decode("Thank you.", no_speech=0.5), 1.5) is Verdict.SILENCE


@pytest.mark.parametrize("text", ["", " ", "…", "。", "、、"])
def test_a_text_without_a_word_is_silence(text: str) -> None:
    assert judge(decode(text), 1.0) is Verdict.SILENCE


@pytest.mark.parametrize(
    "text",
    [
        "それでそれでそれでそれでそれで",
        "今日は、いいです、いいです、いいです、いいです",
        "Press the test is complete. " * 4,
        "んんんんんんんんんんんんんんん",
    ],
)
def test_a_tail_said_over_and_over_is_a_loop(text: str) -> None:
    assert loops(text)


@pytest.mark.parametrize(
    "text",
    [
        "はいはいはい",
        "いやいやいやいや",
        "No, no, no, no!",
        "ええええええ",
        "東京、大阪、京都、東京、大阪、京都",
        "wwwww",
        "",
    ],
)
def test_what_people_repeat_is_no_loop(text: str) -> None:
    assert not loops(text)


def test_more_text_than_anybody_says_in_the_time_outruns_the_sound() -> None:
    assert outruns("カスタムスピーチにはオーディオデータを対応する認識結果と比較する", 0.8)
    assert not outruns("カスタムスピーチにはオーディオデータを対応する認識結果と", 3.6)
    assert outruns("I'm not sure if I can get that right, but let me try it again.", 0.6)
    assert not outruns("Once the test is complete, indicated by the status change", 3.0)


def test_the_token_cap_leaves_room_for_fast_speech() -> None:
    assert token_cap("ja", 10) == 105
    assert token_cap("en", 10) == 75
    assert token_cap("ta", 10) > token_cap("ja", 10)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ご視聴ありがとうございました", ""),
        ("ご視聴ありがとうございました。", ""),
        ("では始めます。ご視聴ありがとうございました。", "では始めます。"),
        ("Let us begin. Thanks for watching!", "Let us begin."),
        ("Thank you for watching. Please subscribe to my channel.", ""),
        ("昨日の動画のご視聴ありがとうございました", "昨日の動画のご視聴ありがとうございました"),
        ("ありがとうございました。", "ありがとうございました。"),
        ("", ""),
    ],
)
def test_subtitle_lines_go_and_the_rest_stays(text: str, kept: str) -> None:
    assert without_subtitles(text) == kept


@given(st.text(max_size=80))
def test_only_an_end_is_ever_taken_away(text: str) -> None:
    assert text.startswith(without_subtitles(text))


LONG = "which were the immediate predecessors of the true printed book, "


def test_a_long_piece_said_twice_faster_than_anybody_repeats_it_is_a_loop() -> None:
    assert repeats("Produced the block books, " + 2 * LONG, 5.3)
    assert judge(decode("Produced the block books, " + 2 * LONG), 5.3) is Verdict.RUNAWAY
    assert not repeats(2 * LONG, 12.0)
    assert not repeats("そうですね、そうですね。", 2.0)
