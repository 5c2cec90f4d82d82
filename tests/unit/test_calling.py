"""A name is known in any script, and a little misheard."""

from __future__ import annotations

import pytest

from kaiwa.policy.calling import is_called

CALLED = [
    ("みみ", "みみ、今日の天気は？"),
    ("みみ", "ミミ、今日の天気は？"),
    ("みみ", "ねえミミ、教えて"),
    ("みみ", "Mimi, what time is it?"),
    ("みみ", "Hey Mimi"),
    ("みみ", "今日はいい天気だね、みみ"),
    ("みみ", "どう思う、ミミちゃん？"),
    ("ミミ", "みみさん、こんにちは"),
    ("Mimi", "ねえ、みみ"),
    ("Kaiwa", "カイワ、元気？"),
    ("Kaiwa", "Hey Kaiwa, how are you?"),
    ("Kaiwa", "Kaiua, how are you?"),
    ("ソラ", "Sora, tell me a joke"),
    ("Sora", "空じゃなくて、ソラ"),
    ("ジャービス", "ジャービス、電気をつけて"),
    ("ジャービス", "Jarvis, turn on the light"),
    ("Jarvis", "ジャビス、電気をつけて"),
    ("Jarvis", "Okay Jarvis"),
    ("Jarvis", "What do you think, Jarvis?"),
    ("AI", "AI、今何時？"),
    ("AI", "エーアイ、今何時？"),
    ("AI", "ねえAI教えて"),
    ("AI", "AIさん"),
    ("AI", "neai 今日の天気は"),
    ("AI", "あのさAI共訪のお寺を教えて"),
    ("AI", "おはようへあい"),
    ("AI", "ねえ愛、今日の天気は。"),
    ("AI", "すみませんAIもう一度行ってください"),
    ("AI", "あのさえあい、きょうとのおてらを教えて"),
    ("AI", "A.I.明日の予定は何ですか。"),
    ("AI", "Excuse me AI, can you hear me?"),
    ("美咲", "美咲、聞こえる？"),
    ("Computer", "コンピューター、アラームをかけて"),
    ("Alexa", "アレクサ、音楽をかけて"),
    ("さくら", "おはようさくら"),
    ("Hana", "Hannah, what do you think?"),
]
NOT_CALLED = [
    ("みみ", "今日はいい天気だね"),
    ("みみ", "さっきみみに聞いたことなんだけどすごく面白かったんだ"),
    ("AI", "アイスクリームが食べたい"),
    ("AI", "I am hungry"),
    ("AI", "今日は愛について話そう"),
    ("AI", "ねえ、愛って何だと思う？"),
    ("AI", "すみません、会議に行ってきます"),
    ("AI", "へえ、そうなんだ"),
    ("AI", "ええ、いいですね"),
    ("Jarvis", "I asked jarvis about the weather in town yesterday"),
    ("Sora", "そろそろ行こうか"),
    ("Kaiwa", "Why are you here?"),
    ("みみ", ""),
    ("さくら", "昨日は桜を見に行ったんだ"),
]


@pytest.mark.parametrize(("name", "text"), CALLED)
def test_called(name: str, text: str) -> None:
    assert is_called(name, text)


@pytest.mark.parametrize(("name", "text"), NOT_CALLED)
def test_not_called(name: str, text: str) -> None:
    assert not is_called(name, text)
