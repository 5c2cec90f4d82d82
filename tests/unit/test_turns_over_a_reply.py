"""What is said over a reply, and what becomes of the reply."""

from __future__ import annotations

import pytest

from kaiwa.domain.talk import Mode
from kaiwa.policy.turn_decisions import Commit, Cut, Speculate
from tests.unit.turn_table import QUESTION, Table, partial, signal


@pytest.fixture
def table() -> Table:
    return Table()


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


def test_half_a_word_of_stop_is_one_when_silence_follows(table: Table) -> None:
    table.says(QUESTION).at(0.1).replies_with("晴れでしょう。", "暑くなります。").plays(0, 0).at(1)
    table.taken()
    table.starts().at(0.4).tell(partial("マッ"))
    assert table.taken() == []
    table.at(0.2).tell(signal("silent", "m", silence_ms=200))
    assert [type(d) for d in table.taken()] == [Cut]
    table.at(0.5).ends("待て").at(2)
    assert table.taken(Commit) == []


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
