"""A block of a talk in short: what the model is asked, and what of its answer is of use."""

from __future__ import annotations

import pytest

from kaiwa.domain.chat import ChatMessage
from kaiwa.policy.summary import Block


def block(*said: str, named: bool = False) -> Block:
    told = (ChatMessage("assistant" if n % 2 else "user", text) for n, text in enumerate(said))
    return Block(tuple(told), named)


JA = block("来週、娘の誕生日なんだ。何がいい？", "何歳ですか？", "七歳だよ。絵が好き。")
EN = block("I go to Kyoto in April. With my brother.", "How nice.", "We like quiet places.")


@pytest.mark.parametrize(
    ("of", "text", "summary"),
    [
        (JA, "娘の誕生日は来週。七歳で、絵が好き。", "娘の誕生日は来週。七歳で、絵が好き。"),
        (
            JA,
            "- 娘の誕生日は来週。\n- **絵**が好き。\n- 途中で切れ",
            "娘の誕生日は来週。絵が好き。",
        ),
        (JA, "絵が好き。絵が好き。絵が好き。", ""),
        (JA, "The daughter likes to draw.", ""),
        (JA, "", ""),
        (JA, "はい。", ""),
        (EN, "They go to Kyoto in April. They like quiet places.", None),
        (EN, "四月に京都へ行く。静かな所が好き。", ""),
    ],
)
def test_what_is_of_use(of: Block, text: str, summary: str | None) -> None:
    assert of.accepted(text) == (text if summary is None else summary)


def test_the_first_sentences_of_people_stand_in_for_it() -> None:
    assert JA.leading() == "来週、娘の誕生日なんだ。七歳だよ。"
    assert EN.leading() == "I go to Kyoto in April. We like quiet places."
    assert block("明日は雨かな", "はい。").leading() == "明日は雨かな"


def test_the_model_is_told_who_said_what() -> None:
    asked = JA.request()[-1].content.splitlines()
    assert asked[:2] == ["相手: 来週、娘の誕生日なんだ。何がいい？", "AI: 何歳ですか？"]
    named = block("まり: やあ。\nKen: どうも。", "こんにちは。", named=True).request()[-1].content
    assert named == "まり: やあ。\nKen: どうも。\nAI: こんにちは。"
    assert "English" not in JA.request()[0].content and "note" in EN.request()[0].content
