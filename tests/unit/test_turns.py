"""When a turn is over, who is waited for, and what is read ahead."""

from __future__ import annotations

import pytest

from kaiwa.domain.events import ReplyCut, SpeechEnded
from kaiwa.domain.talk import Mode
from kaiwa.policy.talkers import FORGET_TALKER_S
from kaiwa.policy.turn_decisions import Commit, Cut, Discard, Prefill, Speculate
from kaiwa.policy.turns import FORGET_WORDS_S, RETRY_S, State
from tests.unit.turn_table import QUESTION, Table, partial, signal


@pytest.fixture
def table() -> Table:
    return Table()


# --- the end of a turn -----------------------------------------------------------------------


def test_a_pause_speculates_and_its_silence_commits(table: Table) -> None:
    table.starts().at(1).pauses(QUESTION, score=0.9)
    (guess,) = table.taken()
    assert isinstance(guess, Speculate) and guess.words and guess.words.text == QUESTION
    table.at(0.2).ends(QUESTION)
    assert table.taken() == []  # 0.4 s of silence
    (commit,) = table.at(0.1).taken()
    assert isinstance(commit, Commit) and commit.cause == "u-1"
    assert commit.silence_s == pytest.approx(0.45, abs=0.02)
    assert commit.final_s == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize(
    ("text", "score", "after"),
    [
        (QUESTION, 0.9, 0.45),
        (QUESTION, None, 0.6),
        (QUESTION, 0.02, 0.7),
        ("猫が好き", None, 0.75),
        ("明日の天気は", 0.9, 1.4),
        ("えーと、明日の", 0.02, 1.5),
        ("えーと", 0.02, 3.0),
        ("What is the capital of Japan?", 0.9, 0.45),
        ("I would like to", 0.9, 1.4),
    ],
)
def test_text_and_score_move_the_moment(
    table: Table, text: str, score: float | None, after: float
) -> None:
    table.starts().at(1).pauses(text, score=score).at(0.2).ends(text).taken()
    assert table.at(after - 0.4 - 0.01).taken() == []
    (commit,) = table.at(0.02).taken()
    assert commit.silence_s == pytest.approx(after, abs=0.02)


def test_who_goes_on_discards_the_guess_and_both_stretches_become_one_turn(table: Table) -> None:
    table.starts().at(1).pauses("明日の", score=0.9)
    assert [type(d) for d in table.taken()] == [Speculate]
    table.at(0.2).resumes()
    assert [type(d) for d in table.taken()] == [Discard]
    table.at(1).pauses("明日の天気は？", score=0.9).at(0.3).ends("明日の天気は？").at(0.1)
    assert [type(d) for d in table.taken()] == [Speculate, Commit]


def test_several_utterances_of_one_turn_are_answered_once(table: Table) -> None:
    table.says("昨日京都に行ったんだけど").at(0.5)
    table.says("どこを見ればよかったかな").at(0.3)
    decided = table.taken()
    assert [type(d) for d in decided] == [Speculate, Discard, Speculate, Commit]
    assert decided[-1].cause == "u-2"


def test_a_final_that_differs_from_the_eager_one_makes_the_guess_anew(table: Table) -> None:
    table.starts().at(1).pauses("天気は", score=None).at(0.2).ends("天気は？")
    assert [type(d) for d in table.taken()] == [Speculate, Discard, Speculate]


def test_a_file_uploaded_fast_is_asked_once(table: Table) -> None:
    table.starts().at(0.1).tell(SpeechEnded(participant="m", capture="m"))
    for n in range(5):
        table.starts().tell(SpeechEnded(participant="m", capture="m"))  # heard ahead
        table.at(3).final(f"{n}です。")
        assert table.taken(Commit) == []
    table.final("どう思う？").at(1)
    assert [d.cause for d in table.taken(Commit)] == ["u-6"]


def test_words_that_come_late_do_not_make_the_silence_longer(table: Table) -> None:
    table.starts().at(1).tell(signal("silent", "m", silence_ms=200)).at(0.5)
    table.tell(SpeechEnded(participant="m", capture="m")).at(0.4).final(QUESTION)
    assert [type(d) for d in table.taken()] == [Speculate, Commit]  # 1.1 s have passed


def test_old_sound_ends_no_turn(table: Table) -> None:
    table.tell(signal("late", "m", utterance_id="u-1")).final(QUESTION).at(5)
    assert table.taken() == []


@pytest.mark.parametrize("paused", [False, True])
def test_who_speaks_on_for_long_is_waited_for_without_asking_over_and_over(
    table: Table, paused: bool
) -> None:
    table.says("昨日京都に行ったんだけど").at(0.3).starts().at(3)
    if paused:  # and recognition takes long
        table.pauses("えっと").at(0.3).tell(SpeechEnded(participant="m", capture="m")).at(3)
    due = table.turns.due()
    assert due is not None and due > table.now


def test_noise_is_no_turn(table: Table) -> None:
    table.starts().at(1).pauses("").at(0.3).tell(SpeechEnded(participant="m", capture="m"))
    table.tell(signal("nothing", "m")).at(3)
    assert table.taken() == [] and table.turns.state is State.IDLE


def test_typed_words_are_answered_at_once(table: Table) -> None:
    table.final("明日の天気は", who=None)
    guess, commit = table.taken()
    assert isinstance(guess, Speculate) and commit == Commit("u-1", 0.0, 0.0)


def test_a_reply_that_does_not_begin_is_committed_again_and_given_up_in_the_end(
    table: Table,
) -> None:
    table.says(QUESTION).at(FORGET_WORDS_S)
    commits = table.taken(Commit)
    assert 1 < len(commits) <= FORGET_WORDS_S / RETRY_S + 1
    assert table.at(60).taken(Commit) == []


def test_a_talker_who_vanished_holds_nobody_up(table: Table) -> None:
    table.starts("k").at(FORGET_TALKER_S - 4).says(QUESTION).at(1)
    assert table.taken(Commit) == []
    table.at(3)
    assert len(table.taken(Commit)) == 1


def test_a_capture_that_begins_anew_has_nothing_open(table: Table) -> None:
    table.starts().tell(signal("gone", "m")).says(QUESTION).at(1)
    assert len(table.taken(Commit)) == 1


# --- several people --------------------------------------------------------------------------


def test_the_agent_waits_while_anybody_speaks(table: Table) -> None:
    table.starts("k").says(QUESTION).at(2)
    assert table.taken() == []
    table.pauses("そうだね", "k", 0.9).at(0.2).ends("そうだね", "k").at(0.2)
    assert [type(d) for d in table.taken()] == [Speculate, Commit]


@pytest.mark.parametrize("who", ["m", "k"])
def test_a_reply_that_has_not_sounded_yields_to_whoever_goes_on(table: Table, who: str) -> None:
    table.says(QUESTION).at(0.1).replies_with().taken()
    table.starts(who)
    assert table.taken() == [Cut("r-1", who, (0, 0))]
    table.tell(ReplyCut(reply_id="r-1", by=who, clause=0, ms=0, heard_text=""))
    table.at(1).pauses("大阪も？", who, 0.9).at(0.2).ends("大阪も？", who).at(0.1)
    assert [type(d) for d in table.taken()] == [Speculate, Commit]


def test_speech_between_the_commit_and_the_reply_is_yielded_to(table: Table) -> None:
    table.says(QUESTION).at(0.1).starts().replies_with()
    assert table.taken(Cut) == [Cut("r-1", "m", (0, 0))]


# --- modes -----------------------------------------------------------------------------------


def test_on_the_button_only_nothing_is_answered_but_read_ahead() -> None:
    table = Table(Mode.BUTTON)
    table.says(QUESTION).at(9)
    assert {type(d) for d in table.decided} == {Prefill}


def test_called_by_name_it_answers_and_for_a_while_needs_no_name() -> None:
    table = Table(Mode.NAME)
    table.says("今日は暑いね。").at(3)
    assert table.taken() == []
    table.says("ねえミミ、明日は？").at(0.3)
    assert [type(d) for d in table.taken()] == [Speculate, Commit]
    table.replies_with("晴れです。").plays(0, 0).finishes().at(4).taken()
    table.says("あさっては？").at(0.3)
    assert [type(d) for d in table.taken()] == [Speculate, Commit]
    table.replies_with("雨です。").plays(0, 0).finishes().at(12).taken()
    table.says("そろそろ行こうか。").at(3)
    assert table.taken() == []


# --- reading ahead ---------------------------------------------------------------------------


def test_the_talk_is_read_ahead_when_somebody_begins_to_speak_and_as_they_go_on(
    table: Table,
) -> None:
    table.starts()
    assert table.taken(Prefill) == [Prefill(None)]
    table.tell(partial("の天気", stable="今日"))
    assert table.taken(Prefill) == []
    long = "今日の東京の天気というものがどうなるかを"
    table.tell(partial("は", stable=long))
    (prefill,) = table.taken(Prefill)
    assert prefill.words.text == long
