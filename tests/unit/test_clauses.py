"""Replies are cut where a voice may pause, early at first, never inside what belongs together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiwa.policy.clauses import Clause, ClauseSplitter


def split(*pieces: str) -> list[Clause]:
    splitter = ClauseSplitter()
    return [clause for piece in pieces for clause in splitter.feed(piece)] + splitter.flush()


def texts(reply: str) -> list[str]:
    return [clause.text for clause in split(reply)]


@pytest.mark.parametrize(
    ("reply", "clauses"),
    [
        # the first cut is early, later ones are longer
        (
            "そうですね、東京は日本の首都で、とても大きな町です。",
            ["そうですね、", "東京は日本の首都で、", "とても大きな町です。"],
        ),
        ("はい、そうです。いいですね。", ["はい、", "そうです。", "いいですね。"]),
        ("はい。わかりました。", ["はい。", "わかりました。"]),
        ("はい、東京です。え、本当。", ["はい、", "東京です。", "え、本当。"]),
        ("え、本当ですか。", ["え、本当ですか。"]),
        ("日本の首都は東京です。", ["日本の首都は", "東京です。"]),
        ("富士山の高さは3776メートルです。", ["富士山の高さは", "3776メートルです。"]),
        ("答えとしては「大江」です。", ["答えとしては", "「大江」です。"]),
        (
            "私はAIなので感情を理解できませんが、空は青いです。",
            ["私はAIなので", "感情を理解できませんが、", "空は青いです。"],
        ),
        (
            "私は日本語に精通し、東京のお店について話せます。",
            ["私は日本語に", "精通し、", "東京のお店について話せます。"],
        ),
        (
            "日本の歴史に関する情報を提供します。野菜の育て方を話します。",
            ["日本の歴史に関する情報を", "提供します。", "野菜の育て方を話します。"],
        ),
        ("今日は晴れです。お茶または水をどうぞ。", ["今日は晴れです。", "お茶または水をどうぞ。"]),
        ("友だちとはいつも話します。", ["友だちとはいつも話します。"]),
        (
            "はい、朝ごはんにはパンがよくて、卵も焼くとよいですし、果物を切って添えるのもいいです。",
            [
                "はい、",
                "朝ごはんにはパンがよくて、",
                "卵も焼くとよいですし、果物を切って添えるのもいいです。",
            ],
        ),
        ("Of course, I can help. What is it?", ["Of course,", "I can help.", "What is it?"]),
        ("Yes, I can. Go on.", ["Yes, I can.", "Go on."]),
        # short sentences join the next one, long ones are cut at a pause
        ("わかりました。え。そうなんですか。", ["わかりました。", "え。そうなんですか。"]),
        (
            "なるほど。京都には古いお寺や神社がたくさんあって、一年中たくさんの人が訪れます。",
            [
                "なるほど。",
                "京都には古いお寺や神社がたくさんあって、",
                "一年中たくさんの人が訪れます。",
            ],
        ),
        # brackets and quotes
        (
            "彼は「はい、そうです。行きます。」と言いました。",
            ["彼は「はい、そうです。行きます。」と言いました。"],
        ),
        (
            "東京（首都。人口は多い）は大きいです。次です。",
            ["東京（首都。人口は多い）は", "大きいです。", "次です。"],
        ),
        (
            "『吾輩は猫である。名前は、まだ無い。』です。",
            ["『吾輩は猫である。名前は、まだ無い。』です。"],
        ),
        (
            'She said "Well, no. Never." Then she left.',
            ['She said "Well, no. Never."', "Then she left."],
        ),
        ("I like tea (green, hot). You too?", ["I like tea (green, hot).", "You too?"]),
        # numbers
        ("値段は1,200円です。", ["値段は1,200円です。"]),
        ("円周率は3.14です。次。", ["円周率は3.14です。", "次。"]),
        ("だいたい2、3日かかります。", ["だいたい2、3日かかります。"]),
        ("だいたい二、三日かかります。", ["だいたい二、三日かかります。"]),
        (
            "It costs 1,200 yen. Pi is 3.14, you know.",
            ["It costs 1,200 yen.", "Pi is 3.14, you know."],
        ),
        ("全角の３．１４です。", ["全角の３．１４です。"]),
        # words with full stops
        ("Dr. Smith met J. R. Jones. They talked.", ["Dr. Smith met J. R. Jones.", "They talked."]),
        (
            "Use Node.js, e.g. version 20. It works.",
            ["Use Node.js,", "e.g. version 20.", "It works."],
        ),
        ("J.R.R. Tolkien wrote it. Yes.", ["J.R.R. Tolkien wrote it.", "Yes."]),
        ("See pp. 10-12 for more. OK then.", ["See pp. 10-12 for more.", "OK then."]),
        # URLs and code
        (
            "詳しくはhttps://example.com/a.b?c=1,2を見てください。",
            ["詳しくはhttps://example.com/a.b?c=1,2を", "見てください。"],
        ),
        ("Run `a. b, c; d` now. Done.", ["Run `a. b, c; d` now.", "Done."]),
        (
            "次を実行します。\n```python\nprint('。')\n\nx = 1. \n```\n終わりです。",
            ["次を実行します。", "```python\nprint('。')\n\nx = 1. \n```", "終わりです。"],
        ),
        # lists
        ("1. りんご\n2. みかん\n", ["1. りんご", "2. みかん"]),
        ("- one\n- two", ["- one", "- two"]),
        (
            "1. りんごです。2. みかんです。",
            ["1. りんごです。", "2. みかんです。"],
        ),
        # runs of marks stay together, marks alone join their neighbour
        ("えっ！？本当ですか？！はい。", ["えっ！？", "本当ですか？！", "はい。"]),
        ("Really?! Yes.", ["Really?!", "Yes."]),
        ("Well... I think so.", ["Well...", "I think so."]),
        ("。。。はい。", ["。。。はい。"]),
        ("いいですね。😊そうします。", ["いいですね。", "😊そうします。"]),
    ],
)
def test_where_a_reply_is_cut(reply: str, clauses: list[str]) -> None:
    assert texts(reply) == clauses


def test_the_first_clause_is_out_as_soon_as_its_mark_is_there() -> None:
    assert ClauseSplitter().feed("そうですね、") == [Clause("そうですね、", 0, 6)]


def test_offsets_leave_out_the_blanks_between_clauses() -> None:
    assert split("  Hello there. \n\n How are you?  ") == [
        Clause("Hello there.", 2, 14),
        Clause("How are you?", 18, 30),
    ]


def test_nothing_to_say_is_no_clause() -> None:
    assert split("") == []
    assert split("……", "😊\n", "**") == []


def test_a_bracket_that_never_closes_does_not_silence_the_reply() -> None:
    reply = "（" + "これはとても長い話です。" * 40
    assert len(texts(reply)) > 3


def test_text_without_any_marks_is_cut_between_words_in_the_end() -> None:
    clauses = texts("word " * 200)
    assert len(clauses) > 2
    assert all(set(clause.split()) == {"word"} for clause in clauses)


PIECES = st.lists(
    st.text(
        st.sampled_from('あ漢ア、。！？「」（）『』"() \n.,!?:1２三aB`*#/-😊…，．'), max_size=30
    )
    | st.sampled_from(
        [
            "そうですね、",
            "です。",
            "1,200円",
            "3.14",
            "https://a.example/x,y",
            "```",
            "`x`",
            "Dr. ",
            "e.g. ",
        ]
    )
    | st.text(max_size=5),
    max_size=25,
)


@given(PIECES)
def test_the_pieces_do_not_matter(pieces: list[str]) -> None:
    reply = "".join(pieces)
    assert split(*pieces) == split(reply) == split(*reply)


@given(PIECES)
def test_every_word_is_in_one_clause_at_its_place(pieces: list[str]) -> None:
    reply = "".join(pieces)
    clauses = split(reply)
    end = 0
    for clause in clauses:
        assert reply[end : clause.start].strip() == ""
        assert clause.start < clause.end
        assert reply[clause.start : clause.end] == clause.text == clause.text.strip()
        assert any(char.isalnum() for char in clause.text)
        end = clause.end
    assert not any(char.isalnum() for char in reply[end:])


@given(
    st.text(st.sampled_from("あいうえお漢字abc 、。！？.,"), max_size=30),
    st.sampled_from(["「」", "『』", "（）", "()", "“”", '""', "``"]),
)
def test_no_cut_inside_a_pair(inner: str, pair: str) -> None:
    reply = f"これは{pair[0]}{inner}{pair[1]}です。そして次の文です。"
    inside = range(4, 4 + len(inner) + 1)
    assert not any(clause.end in inside for clause in split(reply))
