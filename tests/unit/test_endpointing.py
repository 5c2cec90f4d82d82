"""Segments begin before the voice, end after a pause, and are never made of a click."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiwa.domain.audio import FRAME_SAMPLES, ms_to_samples
from kaiwa.policy.endpointing import (
    EAGER_PAUSE,
    FINAL_PAUSE,
    LONGEST_SEGMENT,
    PRE_ROLL,
    Decision,
    EagerPause,
    Endpointer,
    Resumed,
    SegmentEnded,
    SegmentStarted,
)

VOICE = 0.9
HUSH = 0.05


class Talker:
    """Steps an endpointer through stretches of equal probability."""

    def __init__(self, start: int = 0) -> None:
        self.endpointer = Endpointer(start)
        self.now = start

    def hear(self, probability: float, ms: int) -> list[Decision]:
        decisions: list[Decision] = []
        for _ in range(frames(ms)):
            self.now += FRAME_SAMPLES
            decisions += self.endpointer.step(probability, self.now)
        return decisions


def frames(ms: int) -> int:
    return -(-ms_to_samples(ms) // FRAME_SAMPLES)


def whole(ms: int) -> int:
    """As samples, in whole frames."""
    return frames(ms) * FRAME_SAMPLES


def kinds(decisions: list[Decision]) -> list[type[Decision]]:
    return [type(decision) for decision in decisions]


def test_a_segment_has_its_pre_roll_and_ends_where_the_pause_became_one() -> None:
    talker = Talker()
    talker.hear(HUSH, 960)
    voice_begins = talker.now
    [started] = talker.hear(VOICE, 1_600)
    voice_ends = talker.now
    eager, ended = talker.hear(HUSH, 1_600)

    assert started == SegmentStarted(voice_begins - PRE_ROLL)
    assert eager == EagerPause(voice_ends + EAGER_PAUSE)
    assert ended == SegmentEnded(voice_ends + EAGER_PAUSE, voice_ends, "pause")


def test_the_pause_is_long_enough_for_a_phrase_and_short_enough_for_a_talk() -> None:
    talker = Talker()
    talker.hear(VOICE, 1_600)
    voice_ends = talker.now
    while not any(isinstance(d, SegmentEnded) for d in talker.hear(HUSH, 32)):
        pass

    assert talker.now - voice_ends == FINAL_PAUSE
    assert ms_to_samples(350) < FINAL_PAUSE <= ms_to_samples(450)


def test_the_pre_roll_does_not_reach_before_the_capture() -> None:
    talker = Talker(start=16_000)

    assert talker.hear(VOICE, 320) == [SegmentStarted(16_000)]


def test_the_pre_roll_does_not_reach_into_the_segment_before() -> None:
    talker = Talker()
    talker.hear(VOICE, 960)
    *_, ended = talker.hear(HUSH, 640)
    assert isinstance(ended, SegmentEnded)
    voice_begins = talker.now
    [started] = talker.hear(VOICE, 960)

    assert isinstance(started, SegmentStarted)
    assert ended.end <= started.start == voice_begins - PRE_ROLL


def test_a_click_opens_nothing() -> None:
    talker = Talker()

    for _ in range(20):
        assert talker.hear(VOICE, 64) + talker.hear(HUSH, 320) == []


@pytest.mark.parametrize("ms", [128, 160, 224])
def test_a_short_answer_is_a_segment(ms: int) -> None:
    talker = Talker()
    talker.hear(HUSH, 640)

    assert kinds(talker.hear(VOICE, ms) + talker.hear(HUSH, 960)) == [
        SegmentStarted,
        EagerPause,
        SegmentEnded,
    ]


def test_a_wavering_voice_goes_on_but_does_not_begin() -> None:
    talker = Talker()
    assert talker.hear(0.4, 960) == []

    talker.hear(VOICE, 320)

    assert talker.hear(0.4, 3_200) == []
    assert talker.endpointer.speaking


def test_a_pause_inside_a_sentence_resumes() -> None:
    talker = Talker()
    talker.hear(VOICE, 960)

    assert kinds(talker.hear(HUSH, 256)) == [EagerPause]
    assert kinds(talker.hear(VOICE, 320)) == [Resumed]
    assert kinds(talker.hear(HUSH, 960)) == [EagerPause, SegmentEnded]


def test_one_loud_frame_does_not_put_off_the_end() -> None:
    talker = Talker()
    talker.hear(VOICE, 960)
    voice_ends = talker.now

    decisions = talker.hear(HUSH, 320) + talker.hear(VOICE, 32) + talker.hear(HUSH, 320)

    assert decisions[-1] == SegmentEnded(voice_ends + EAGER_PAUSE, voice_ends, "pause")


def test_a_long_segment_is_cut_at_a_pause_that_would_not_end_a_short_one() -> None:
    short, long = Talker(), Talker()
    short.hear(VOICE, 4_000)
    long.hear(VOICE, 17_000)

    assert kinds(short.hear(HUSH, 256)) == [EagerPause]
    *_, ended = long.hear(HUSH, 224)
    assert isinstance(ended, SegmentEnded)
    assert ended.reason == "cut"


def test_speech_without_any_pause_is_cut_without_losing_a_sample() -> None:
    talker = Talker()
    started, ended, again = talker.hear(VOICE, 29_000)

    assert started == SegmentStarted(0)
    assert isinstance(ended, SegmentEnded)
    assert ended.reason == "cut"
    assert again == SegmentStarted(ended.end)
    assert ended.end <= LONGEST_SEGMENT + FRAME_SAMPLES


def test_flush_closes_an_open_segment_once() -> None:
    talker = Talker()
    talker.hear(VOICE, 960)

    assert talker.endpointer.flush() == [SegmentEnded(talker.now, talker.now, "end")]
    assert talker.endpointer.flush() == []


def test_flush_of_silence_says_nothing() -> None:
    talker = Talker()
    talker.hear(HUSH, 960)

    assert talker.endpointer.flush() == []


def test_settled_rests_before_what_may_still_be_needed() -> None:
    talker = Talker()
    talker.hear(HUSH, 3_200)
    assert talker.endpointer.settled == talker.now - PRE_ROLL

    [started] = talker.hear(VOICE, 960)
    assert isinstance(started, SegmentStarted)
    assert talker.endpointer.settled == started.start

    *_, ended = talker.hear(HUSH, 640)
    assert isinstance(ended, SegmentEnded)
    assert talker.endpointer.settled == max(ended.end, talker.now - PRE_ROLL)


def test_frames_must_move_on() -> None:
    endpointer = Endpointer(512)

    with pytest.raises(ValueError, match="512"):
        endpointer.step(VOICE, 512)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 60)), max_size=60))
def test_segments_never_overlap_and_decisions_come_in_order(
    stretches: list[tuple[float, int]],
) -> None:
    talker = Talker()
    decisions: list[Decision] = []
    settled = 0
    for probability, count in stretches:
        decisions += talker.hear(probability, count * 32)
        assert settled <= talker.endpointer.settled <= talker.now
        settled = talker.endpointer.settled
    decisions += talker.endpointer.flush()

    border, begin = 0, None
    for decision in decisions:
        match decision:
            case SegmentStarted(start):
                assert begin is None
                assert border <= start
                begin = start
            case SegmentEnded(end, voice_end, _):
                assert begin is not None
                assert begin < voice_end <= end
                assert end - begin <= LONGEST_SEGMENT + FINAL_PAUSE
                border, begin = end, None
            case EagerPause() | Resumed():
                assert begin is not None
    assert begin is None
