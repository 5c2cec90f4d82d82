"""What stays of the words that a talk's prompt has no room for: a short text for each block.

A block is cut at once and does not change after that, so it is summed up once, as soon as it is
complete, which is some turns before it is cut. Its key is a digest of its words: a correction makes
it another block. Until a summary is there, the first words of what people said stand in for it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from kaiwa.domain.chat import ChatMessage

LONGEST: Final = 400
"""Characters that are waited for: what a small model adds after that is about something else."""
SHORTEST: Final = 8
"""Less says nothing of a block."""
_LEAST_DIFFERENT: Final = 0.6
"""Of the sentences of a summary; below that it is a loop."""

_JAPANESE = re.compile(r"[ぁ-んァ-ヶ]")
_MARKS = re.compile(r"^[\s\-*・#>●■]+|^\d+[.)]\s*|\*\*", re.MULTILINE)
_SENTENCE = re.compile(r"[^。．.!?！？]+[。．.!?！？]+\s*")


@dataclass(frozen=True, slots=True)
class _Words:
    """What the model is told in one language. An example does more than any rule: without it the
    default model writes headings and lists, and says things twice."""

    task: str
    example: str
    note: str
    person: str


_JA = _Words(
    task="人とAIの会話を、あとで思い出すための短いメモにします。"
    "名前、数、日にち、好み、決まったことを入れて、二文か三文で書きます。",
    example="けん: 来月、北海道へ旅行に行くんだ。\n"
    "AI: いいですね。どこを回りますか？\n"
    "けん: 札幌と小樽。妻は魚が苦手だから、肉のおいしい店がいいな。\n"
    "AI: 札幌ならジンギスカンがおすすめです。\n"
    "けん: じゃあ二日目の夜に予約しよう。",
    note="けんは来月、妻と札幌と小樽へ旅行に行く。妻は魚が苦手。"
    "二日目の夜にジンギスカンの店を予約することになった。",
    person="相手",
)
_EN = _Words(
    task="You turn a conversation between people and an AI into a short note, so that it can be "
    "remembered. Keep names, numbers, dates, likes and decisions. Write two or three sentences.",
    example="Ken: I'm going to Hokkaido next month.\n"
    "AI: Nice. Where will you go?\n"
    "Ken: Sapporo and Otaru. My wife doesn't like fish, so I want a good place for meat.\n"
    "AI: In Sapporo I would try grilled lamb.\n"
    "Ken: Then let's book that for the second night.",
    note="Ken is going to Sapporo and Otaru with his wife next month. She does not like fish. "
    "They will book a grilled lamb restaurant for the second night.",
    person="User",
)


@dataclass(frozen=True, slots=True)
class Block:
    """Messages of a talk that are, or will be, cut together; `named` if they tell who speaks."""

    messages: tuple[ChatMessage, ...]
    named: bool

    @property
    def digest(self) -> str:
        words = "\0".join(f"{each.role}\1{each.content}" for each in self.messages)
        return hashlib.sha256(words.encode()).hexdigest()[:32]

    @property
    def is_japanese(self) -> bool:
        return any(_JAPANESE.search(each.content) for each in self.messages)

    def request(self) -> list[ChatMessage]:
        """What the chat model is asked for a summary."""
        words = _JA if self.is_japanese else _EN
        person = "" if self.named else f"{words.person}: "
        said = (
            f"AI: {each.content}" if each.role == "assistant" else f"{person}{each.content}"
            for each in self.messages
        )
        return [
            ChatMessage("system", words.task),
            ChatMessage("user", words.example),
            ChatMessage("assistant", words.note),
            ChatMessage("user", "\n".join(said)),
        ]

    def accepted(self, text: str) -> str:
        """A model's summary as one line of whole sentences; empty where it is of no use: none, in
        another language, or a loop."""
        plain = " ".join(_MARKS.sub("", text).split())
        sentences = [each.strip() for each in _SENTENCE.findall(plain)]
        different = list(dict.fromkeys(sentences))
        if len(different) < _LEAST_DIFFERENT * len(sentences):
            return ""
        summary = ("" if self.is_japanese else " ").join(different)
        foreign = bool(_JAPANESE.search(summary)) is not self.is_japanese
        return "" if len(summary) < SHORTEST or foreign else summary

    def leading(self) -> str:
        """The first sentence of each thing that people said."""
        said = [each.content for each in self.messages if each.role == "user"]
        firsts = (_SENTENCE.match(each) for each in said)
        found = (
            (first[0] if first else text).strip() for first, text in zip(firsts, said, strict=True)
        )
        return ("" if self.is_japanese else " ").join(found)
