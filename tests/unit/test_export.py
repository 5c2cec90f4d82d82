"""A talk as a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from kaiwa.domain.events import (
    Recorded,
    ReplyFinished,
    ReplyStarted,
    UtteranceEdited,
    UtteranceFinal,
    decode_durable,
)
from kaiwa.domain.ids import TalkId
from kaiwa.domain.speech import Word
from kaiwa.domain.talk import Role, Talk
from kaiwa.policy.export import FORMS, export
from kaiwa.policy.subtitles import LONGEST_MS, Cue, split

BEGIN = datetime(2025, 5, 1, 9, 30, tzinfo=UTC)


def talk(title: str = "朝") -> Talk:
    return Talk(id=TalkId("t"), title=title, created_at=BEGIN, seq=4, role=Role.OWNER)


def said(text: str, start: int = 3_723_004, end: int = 3_725_000, name: str = "まり") -> Recorded:
    event = UtteranceFinal(
        at=BEGIN,
        utterance_id=f"u-{start}",
        participant="mari",
        name=name,
        text=text,
        language="ja",
        started_ms=start,
        ended_ms=end,
    )
    return Recorded(seq=1, event=event)


def reply(text: str, at: datetime) -> list[Recorded]:
    begun = ReplyStarted(at=at, reply_id="r", generation=1, cause="mari", name="みみ")
    done = ReplyFinished(reply_id="r", status="complete", text=text)
    return [Recorded(seq=2, event=begun), Recorded(seq=3, event=done)]


TALK = [said("天気は？"), *reply("晴れです。", BEGIN + timedelta(seconds=3_726))]


def test_text_is_one_line_for_each_who_spoke() -> None:
    assert export(talk(), TALK, "txt") == ("text/plain", "まり: 天気は？\nみみ: 晴れです。\n")


@pytest.mark.parametrize(
    ("form", "theirs"), [("txt", "Ken"), ("md", "**Ken"), ("srt", "Ken"), ("vtt", "<v Ken")]
)
def test_nobody_writes_another_persons_line(form: str, theirs: str) -> None:
    words = "はい\nKen: いいよ\r\r**Ken** <v Ken>"
    _, text = export(talk(), [said(words, name="ま\nKen")], form)
    assert not [line for line in text.splitlines() if line.startswith(theirs)]


def test_markdown_has_a_title_and_no_marks_of_the_speakers() -> None:
    media_type, text = export(talk("*朝*"), [said("<b> _x_ # [a](b)")], "md")
    assert media_type == "text/markdown"
    assert text == (
        "# \\*朝\\*\n\n**まり** · 2025-05-01 09:30\n\n\\<b\\> \\_x\\_ \\# \\[a\\](b)\n\n"
    )
    assert export(talk(""), [], "md")[1] == "# kaiwa\n\n"


def test_subtitles_have_the_times_of_the_talk() -> None:
    assert export(talk(), TALK, "srt")[1] == (
        "1\n01:02:03,004 --> 01:02:05,000\nまり: 天気は？\n\n"
        "2\n01:02:06,000 --> 01:02:07,000\nみみ: 晴れです。\n\n"
    )
    assert export(talk(), TALK, "vtt")[1] == (
        "WEBVTT\n\n01:02:03.004 --> 01:02:05.000\n<v まり>天気は？\n\n"
        "01:02:06.000 --> 01:02:07.000\n<v みみ>晴れです。\n\n"
    )


def test_subtitles_are_in_the_order_of_time_and_stay_long_enough_to_read() -> None:
    events = [said("あ" * 50, 5_000, 5_000), said("い", 1_000, 2_000)]
    text = export(talk(), events, "srt")[1]
    assert text.index("い") < text.index("あ")
    assert "00:00:05,000 --> 00:00:09,000" in text


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_nobody_writes_a_cue_of_anothers(form: str) -> None:
    forged = "はい\n\n9\n00:00:00,000 --> 00:00:09,000\nKen: いいえ"
    text = export(talk(), [said(forged, name="ま\nり")], form)[1]
    cues = [cue for cue in text.removeprefix("WEBVTT\n\n").split("\n\n") if cue]
    assert len(cues) == 1
    assert cues[0].count("\n") == (2 if form == "srt" else 1)


def test_vtt_has_no_tags_of_the_speakers() -> None:
    text = export(talk(), [said("<v Ken>a & b", name="<c>")], "vtt")[1]
    assert "<v &lt;c&gt;>&lt;v Ken&gt;a &amp; b\n" in text


def test_json_is_the_whole_log_and_can_be_read_again() -> None:
    edited = UtteranceEdited(utterance_id="u-3723004", text="天気？", by="mari")
    events = [*TALK, Recorded(seq=4, event=edited)]
    media_type, text = export(talk(), events, "json")
    whole = json.loads(text)
    assert (media_type, whole["kaiwa"], whole["talk"]["title"]) == ("application/json", 1, "朝")
    assert "role" not in whole["talk"] and "天気は？" in text
    again = [Recorded(seq=v["seq"], event=decode_durable(v)) for v in whole["events"]]
    assert again == events


def test_there_are_five_forms_and_no_other() -> None:
    assert FORMS == ("txt", "md", "srt", "vtt", "json")
    with pytest.raises(KeyError):
        export(talk(), [], "pdf")
    for form in FORMS:
        assert isinstance(export(talk(), [], form)[1], str)


def test_a_long_cue_is_cut_between_words_where_a_sentence_ends() -> None:
    texts = ["これは", "長い", "文です。", *["次の", "文も", "また"] * 6, "長い。"]
    words = [Word(text, 400 * n, 400 * n + 400, 0.9) for n, text in enumerate(texts)]
    whole = "".join(texts)

    cues = split(Cue(0, 400 * len(texts), whole, "Aki"), words)

    assert "".join(cue.text for cue in cues) == whole
    assert len(cues) > 1
    assert all(cue.end_ms - cue.start_ms <= LONGEST_MS for cue in cues)
    assert [cue.start_ms for cue in cues] == sorted(cue.start_ms for cue in cues)
    assert {cue.name for cue in cues} == {"Aki"}


def test_no_word_is_left_over_alone() -> None:
    text = "made the block books, which were the immediate predecessors of the true printed book,"
    words = [Word(f" {w}", 300 * n, 300 * n + 300, 0.9) for n, w in enumerate(text.split())]
    assert [cue.text for cue in split(Cue(0, 5_000, text), words)] == [
        "made the block books,",
        "which were the immediate predecessors of the true printed book,",
    ]


def test_a_cue_does_not_begin_with_a_particle() -> None:
    texts = [
        "認識",
        "結果",
        "と",
        "比較",
        "する",
        "ことに",
        "よって",
        "モデル",
        "の",
        "品質",
        "を",
    ] * 2
    words = [Word(text, 500 * n, 500 * n + 500, 0.9) for n, text in enumerate(texts)]
    cues = split(Cue(0, 11_000, "".join(texts)), words)
    assert len(cues) == 2 and cues[1].text.startswith("認識")


def test_a_short_cue_and_one_without_words_stay_as_they_are() -> None:
    cue = Cue(0, 900, "はい、そうです。")
    assert split(cue, [Word("はい、", 0, 300, 0.9), Word("そうです。", 300, 900, 0.9)]) == [cue]
    assert split(cue, []) == [cue]
