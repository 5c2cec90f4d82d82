"""Whose turn it is, as a table of what happens at which second and what is decided."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kaiwa.domain.events import (
    Durable,
    Ephemeral,
    Internal,
    ReplyClause,
    ReplyCut,
    ReplyFinished,
    ReplyPlayed,
    ReplyStarted,
    SpeechEnded,
    SpeechStarted,
    TurnSignal,
    UtteranceFinal,
    UtterancePartial,
)
from kaiwa.domain.ids import TalkId
from kaiwa.domain.talk import Mode, Role, Talk
from kaiwa.policy.turn_decisions import Commit, Cut, Decision, Discard, Prefill, Speculate
from kaiwa.policy.turns import FORGET_TALKER_S, FORGET_WORDS_S, RETRY_S, State, Turns

QUESTION = "今日の天気はどうですか？"


class Table:
    """A talk whose clock is moved by hand; Mari has the capture `m`, Ken has `k`."""

    def __init__(self, mode: Mode = Mode.HANDS_FREE, agent: str = "みみ") -> None:
        self.turns = Turns(
            Talk(
                id=TalkId("t"),
                created_at=datetime.now(UTC),
                seq=0,
                role=Role.OWNER,
                mode=mode,
                agent_name=agent,
            )
        )
        self.now = 100.0
        self.decided: list[Decision] = []
        self.spoken = 0
        self.replies = 0

    def at(self, seconds: float) -> Table:
        """Let that time pass, deciding whenever it is due."""
        until = self.now + seconds
        while (due := self.turns.due()) is not None and due <= until:
            self.now = max(self.now, due)
            before = len(self.decided)
            self._decide()
            if len(self.decided) == before and self.turns.due() == due:
                break
        self.now = until
        self._decide()
        return self

    def tell(self, event: Durable | Ephemeral | Internal) -> Table:
        self.turns.observe(event, self.now)
        self._decide()
        return self

    def _decide(self) -> None:
        self.decided += self.turns.decide(self.now)

    def taken(self, *kinds: type) -> list[Any]:
        """What was decided since the last look, of those kinds (all but prefills)."""
        taken = [
            d for d in self.decided if isinstance(d, kinds or (Speculate, Discard, Commit, Cut))
        ]
        self.decided.clear()
        return taken

    def starts(self, who: str = "m") -> Table:
        return self.tell(SpeechStarted(participant=who, capture=who))

    def pauses(self, text: str, who: str = "m", score: float | None = None) -> Table:
        self.tell(signal("paused", who, text=text, silence_ms=200))
        return self if score is None else self.tell(signal("judged", who, score=score))

    def resumes(self, who: str = "m") -> Table:
        return self.tell(signal("resumed", who))

    def ends(self, text: str, who: str = "m") -> Table:
        """The segment ends and its final comes."""
        self.tell(SpeechEnded(participant=who, capture=who))
        return self.final(text, who)

    def final(self, text: str, who: str | None = "m") -> Table:
        self.spoken += 1
        return self.tell(said(f"u-{self.spoken}", text, who))

    def says(self, text: str, who: str = "m", score: float | None = 0.9) -> Table:
        return self.starts(who).at(1).pauses(text, who, score).at(0.2).ends(text, who)

    def replies_with(self, *texts: str, ms: int = 2_000) -> Table:
        """A reply is started, and its clauses come."""
        self.replies += 1
        self.tell(ReplyStarted(reply_id=self.reply, generation=1, cause="c", name="AI"))
        for n, text in enumerate(texts):
            self.tell(
                ReplyClause(
                    reply_id=self.reply,
                    index=n,
                    text=text,
                    start=0,
                    end=0,
                    clip="c",
                    duration_ms=ms,
                )
            )
        return self

    @property
    def reply(self) -> str:
        return f"r-{self.replies}"

    def finishes(self) -> Table:
        return self.tell(ReplyFinished(reply_id=self.reply, status="complete", text=""))

    def plays(self, clause: int, ms: int, user: str = "m") -> Table:
        return self.tell(
            ReplyPlayed(reply_id=self.reply, listener=user, user=user, clause=clause, ms=ms)
        )


def signal(kind: Any, who: str, **values: Any) -> TurnSignal:
    return TurnSignal(signal=kind, participant=who, capture=who, **values)


def said(utterance: str, text: str, who: str | None) -> UtteranceFinal:
    return UtteranceFinal(
        utterance_id=utterance,
        participant=who or "m",
        name="まり",
        text=text,
        language="ja",
        started_ms=0,
        ended_ms=0,
        capture=who,
    )


def partial(text: str, who: str = "m", stable: str = "") -> UtterancePartial:
    return UtterancePartial(
        utterance_id="u",
        participant=who,
        name="まり",
        capture=who,
        started_ms=0,
        revision=1,
        stable=stable,
        tentative=text,
    )


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


@pytest.mark.parametrize(
    ("text", "score", "after"),
    [
        (QUESTION, 0.9, 0.45),
        (QUESTION, None, 0.6),
        (QUESTION, 0.02, 0.7),
        ("猫が好き", None, 0.75),
        ("明日の天気は", 0.9, 1.4),
        ("えーと", 0.02, 1.5),
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


def test_noise_is_no_turn(table: Table) -> None:
    table.starts().at(1).pauses("").at(0.3).tell(SpeechEnded(participant="m", capture="m"))
    table.tell(signal("nothing", "m")).at(3)
    assert table.taken() == [] and table.turns.state is State.IDLE


def test_typed_words_are_answered_at_once(table: Table) -> None:
    table.final("明日の天気は", who=None)
    guess, commit = table.taken()
    assert isinstance(guess, Speculate) and commit == Commit("u-1", 0.0)


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


# --- over a reply ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["うん", "なるほど", "Uh-huh.", "はい、はい"])
def test_a_backchannel_does_not_stop_a_reply_and_is_not_answered(table: Table, text: str) -> None:
    table.says(QUESTION).at(0.1).replies_with("晴れでしょう。", "暑くなります。").plays(0, 0).at(1)
    table.taken()
    table.says(text).finishes().at(9)
    assert table.taken() == []


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        ("待って", False),
        ("Stop.", False),
        ("ちょっと待って、それより大阪の天気は？", True),
        ("それより大阪の天気は？", True),
    ],
)
def test_words_stop_it_and_only_words_for_the_agent_are_answered(
    table: Table, text: str, answered: bool
) -> None:
    table.says(QUESTION).at(0.1).replies_with("晴れでしょう。", "暑くなります。").plays(0, 0).at(1)
    table.taken()
    table.starts().at(0.5).tell(partial(text))
    assert table.taken() == [Cut("r-1", "m", (0, 1_500))]
    table.pauses(text, score=0.9).at(0.2).ends(text).at(2)
    assert bool(table.taken(Commit)) is answered


def test_who_has_no_device_that_plays_cuts_at_whatever_is_there(table: Table) -> None:
    table.says(QUESTION).at(0.1).replies_with("晴れでしょう。").at(1).taken()
    table.starts().at(0.5).tell(partial("待って"))
    assert table.taken() == [Cut("r-1", "m", None)]


def test_a_cut_is_at_the_clause_that_sounds(table: Table) -> None:
    table.says(QUESTION).at(0.1).replies_with("一。", "二。", "三。").plays(0, 0).at(1.9)
    table.plays(1, 0).at(1).starts().at(0.5).taken()
    assert table.tell(partial("ストップ")).taken() == [Cut("r-1", "m", (1, 1_500))]


def test_an_answer_to_the_last_words_of_a_reply_is_answered(table: Table) -> None:
    table.says(QUESTION).at(0.1).replies_with("散歩に行きますか？").plays(0, 0).finishes().at(1.2)
    table.taken()
    table.starts().at(0.4).pauses("はい").at(0.3).ends("はい").at(0.5)
    assert [type(d) for d in table.taken(Cut, Commit)] == [Commit]


def test_words_begun_before_a_reply_sounds_do_not_cut_it_in_button_mode() -> None:
    table = Table(Mode.BUTTON)
    table.starts().at(1).replies_with("はい。", "そうです。").at(0.5).ends("天気を教えて")
    assert table.taken() == []
    table.starts().at(0.5).tell(partial("待って"))
    assert table.taken(Cut) != []


def test_after_a_reply_has_ended_the_next_turn_is_answered(table: Table) -> None:
    table.says(QUESTION).at(0.1).replies_with("晴れです。").plays(0, 0).at(1).finishes().at(2)
    table.taken()
    table.says("明日は？").at(0.3)
    assert [type(d) for d in table.taken()] == [Speculate, Commit]


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
    table.tell(partial("は", stable="今日の東京の天気というもの"))
    (prefill,) = table.taken(Prefill)
    assert prefill.words.text == "今日の東京の天気というもの"
