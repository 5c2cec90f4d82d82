"""How an answer may begin before the model has thought of it.

People say such a word while they think. Said to the model as the beginning of its own answer, it
goes on from there, so the word belongs to the answer, and its sound is there before it is needed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from kaiwa.policy.completeness import ASKED_PLAINLY, Completeness, completeness


class _Kind(Enum):
    QUESTION = auto()
    REQUEST = auto()
    NEWS = auto()


_OPENINGS: Final[Mapping[str, Mapping[_Kind, tuple[str, ...]]]] = {
    "ja": {
        _Kind.QUESTION: ("ええと、", "そうですね、"),
        _Kind.REQUEST: ("はい、", "そうですね、"),
        _Kind.NEWS: ("そうですか、", "なるほど、"),
    },
    "en": {
        _Kind.QUESTION: ("Well,", "Let's see,"),
        _Kind.REQUEST: ("Okay,", "Sure,"),
        _Kind.NEWS: ("I see,", "Okay,"),
    },
}
"""None says yes or no to a question: the model would have to agree with it."""

OPENINGS: Final[Mapping[str, tuple[str, ...]]] = {
    language: tuple(dict.fromkeys(word for words in kinds.values() for word in words))
    for language, kinds in _OPENINGS.items()
}
"""All there are, by language."""

_SENTENCE: Final = re.compile(r"[^。！？.!?]+[。！？.!?]*\s*$")
_JAPANESE: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_LEAST: Final = {"ja": 5, "en": 3}
"""Characters and words; shorter is a greeting, thanks, a yes or a no, whose answer is short too."""
_GREETING: Final = re.compile(
    r"(こんにち[はわ]|こんばん[はわ]|おはよう|さようなら|おやすみ|はじめまして|ありがと|"
    r"\b(hello|good (morning|evening|night|afternoon)|good ?bye|thank|how are you)\b)",
    re.IGNORECASE,
)
_ASKS: Final[Mapping[str, re.Pattern[str]]] = {
    "ja": re.compile(
        r"(\?|か|かな|かしら|っけ|の|何|なに|誰|だれ|どこ|いつ|どれ|いくつ|いくら|(ど|な)う)$"
    ),
    "en": re.compile(
        r"(\?$|^(what|who|whose|which|when|where|why|how|is|are|was|were|do|does|did)\b)",
        re.IGNORECASE,
    ),
}
_REQUESTS: Final[Mapping[str, re.Pattern[str]]] = {
    "ja": re.compile(r"(て|で|ください|下さい|お願いします|おねがいします|頼む|ちょうだい)$"),
    "en": re.compile(
        r"^(please|tell|show|give|explain|describe|let's|(can|could|would|will) you)\b|please$",
        re.IGNORECASE,
    ),
}


def is_opening(text: str) -> bool:
    """Whether this is nothing but the beginning of an answer."""
    return any(text.strip() in openings for openings in OPENINGS.values())


def opening(said: str, language: str, before: str = "") -> str:
    """What an answer to `said` may begin with; empty where nothing fits, and where whoever said it
    may go on: a word that sounds at once cannot be taken back.

    `said` may be lines of several people, with their names; the last one counts. `language` is the
    talk's; `before` is the answer before, which began otherwise.
    """
    text = unicodedata.normalize("NFKC", said).strip().rpartition("\n")[2].rpartition(": ")[2]
    if language == "auto":
        language = "ja" if _JAPANESE.search(text) else "en"
    last = _SENTENCE.search(text)
    if language not in _OPENINGS or last is None:
        return ""
    if completeness(text) is not Completeness.COMPLETE:
        return ""
    sentence = last[0].strip()
    bare = sentence.rstrip(" 。.!、,…")
    length = len(bare) if language == "ja" else len(bare.split())
    if length < _LEAST[language] or _GREETING.search(bare):
        return ""
    if _REQUESTS[language].search(bare.rstrip("?")):
        kind = _Kind.REQUEST
    elif _ASKS[language].search(bare) or ASKED_PLAINLY.search(bare):
        kind = _Kind.QUESTION
    else:
        kind = _Kind.NEWS
    return next(each for each in _OPENINGS[language][kind] if not before.startswith(each))
