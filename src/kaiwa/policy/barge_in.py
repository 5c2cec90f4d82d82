"""What words spoken over a reply mean for it."""

from __future__ import annotations

import re
import unicodedata
from enum import Enum, auto
from itertools import takewhile
from typing import Final

from kaiwa.policy.similar import distance, folded, units


class Words(Enum):
    UNSURE = auto()
    """Too little to tell."""
    BACKCHANNEL = auto()
    """うん, "uh-huh": I am listening, go on."""
    STOP = auto()
    """待って, "wait": the reply ends, and nobody answers."""
    SPEECH = auto()
    """Somebody wants to speak: the reply ends, and what they say is answered."""


SPEECH_UNITS: Final = 7.0
"""What is longer than this and no backchannel is speech, also while it is still going on; a first
hypothesis of そうですね was そういったら."""
AGREED_UNITS: Final = 1.0
"""Of what is shorter, so much must have been heard twice: one hypothesis of うんうん is as good as
any (うまい, おなわ), the next says something else."""
SHORTEST_SPEECH_UNITS: Final = 3.0
"""What is shorter, and no word of stop, is a backchannel that was misheard (うん as 文)."""
_MISHEARD_FROM: Final = 4
"""A word of stop this long is still one with a letter wrong."""

_LISTENING: Final = """
うん うむ ん う ふん ふむ はい はあ ほう ほお ほ へえ へ ええ え ああ あ おお お わあ わ
そう そうそう そうですね そうですか そうなんですね そうなんですか そうなんだ そうか そっか
そだね そうだね そうね なるほど なるほどね なるほどです まじで まじか ほんと ほんとに 本当
本当に 本当ですか たしかに 確かに すごい すごいね いいね いいですね ですね だね ねえ ね
やっぱり へい ふうん
uhhuh uhuh mhm mmhmm mmhm mm hmm hm uh um huh ah aha oh ooh wow yeah yea yep yup yes ok okay
right sure isee igotit gotit really exactly good great nice cool true thatsgreat thatsgood
thatstrue thatsright thatsnice thatsfunny ofcourse indeed alright interesting hai un hee
naruhodo sou
"""
"""Backchannels, as `folded` leaves them."""
_BACKCHANNELS: Final = sorted(_LISTENING.split(), key=len, reverse=True)
_ONLY_BACKCHANNELS = re.compile(f"(?:{'|'.join(_BACKCHANNELS)})+")

_STOPPING: Final = """
また またまた 待って まって 待った まった 待て まて 待ってください 待ってて まってください
ちょっと ちょと ちょっといい ちょっといいですか ちょい ちょっと待って ちょっとまって
ちょっと待ってください ちょっとまってください ちょっと待った すとっぷ すとぷ すっとぷ 止めて
とめて 止まって とまって やめて やめ いいですか もういい もういいよ もういいです もう大丈夫
いいよもう 静かに 黙って だまって うるさい ちがう 違う 違います そうじゃなくて
いったんとめて
stop stopit stopplease pleasestop wait waitwait waitaminute pause waitasecond holdon hangon
hold enough thatsenough shutup quiet bequiet nevermind cancel onesecond onemoment
justasecond excuseme chotto matte chottomatte sutoppu nostop okstop okaystop
"""
"""Words of stop, also as they are heard at first (また)."""
_STOPS: Final = frozenset(_STOPPING.split())
_STOPS_BEGUN: Final = frozenset(
    ("まっ", "待っ", "ちょっ", "ちょ", "すと", "すとっ", "とめ", "やめ")
)
"""Words of stop, as they are heard before their end: with silence behind, nothing else."""
_STOP_BEGINNING = re.compile(
    r"(?:いや|あ|え|ね|ねえ|はい|うん|ok|okay|no|oh|hey)?"
    r"(?:待って|まって|待て|ちょっと待|ちょっとまっ|す[とどただ]っ?ぷ|やめて|止めて)"
)
_STOP_END = re.compile(r"(?:待って|まって|す[とど]っぷ)$")
_STOP_WORD = re.compile(
    r"^(?:(?:no|oh|ok|okay|hey|please|um|uh)\W+)*(?:stop|wait|hold on|hang on)\b"
)


def words_over(text: str, *, ended: bool, before: str = "") -> Words:
    """Judge what somebody says over a reply; `ended` when they have fallen silent after it,
    `before`: the hypothesis before this one."""
    said = folded(text)
    if not said:
        return Words.UNSURE
    if _is_stop(said, text) or (ended and said in _STOPS_BEGUN):
        return Words.STOP
    if _ONLY_BACKCHANNELS.fullmatch(said):
        return Words.BACKCHANNEL if ended else Words.UNSURE
    if _is_nearly_backchannel(said, ended=ended):
        return Words.BACKCHANNEL if ended else Words.UNSURE
    length = units(said)
    sure = ended or _is_speech(_both_say(said, folded(before)))
    if length > SPEECH_UNITS or (sure and length >= SHORTEST_SPEECH_UNITS):
        return Words.SPEECH
    return Words.BACKCHANNEL if ended else Words.UNSURE


SILENCE_UNITS: Final = 6.0
"""What is longer than this asks for something else too."""


def asks_for_silence(text: str) -> bool:
    """Whether a word of stop is all that was said."""
    said = folded(text)
    return said in _STOPS | _STOPS_BEGUN or (_is_stop(said, text) and units(said) <= SILENCE_UNITS)


def _both_say(one: str, other: str) -> str:
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return "".join(char for char, _ in same)


def _is_speech(agreed: str) -> bool:
    """Whether two hypotheses agree on enough, and on more than the beginning of a backchannel."""
    return units(agreed) >= AGREED_UNITS and not _is_nearly_backchannel(agreed, ended=False)


def _is_stop(said: str, text: str) -> bool:
    if said in _STOPS or _STOP_BEGINNING.match(said):
        return True
    if _STOP_END.search(said) and units(said) <= SILENCE_UNITS:
        return True
    if _STOP_WORD.match(unicodedata.normalize("NFKC", text).casefold().strip()):
        return True
    return len(said) >= _MISHEARD_FROM and any(
        distance(said, stop) <= 1 for stop in _STOPS if len(stop) >= _MISHEARD_FROM
    )


def _is_nearly_backchannel(said: str, *, ended: bool) -> bool:
    """Whether it is one with a character misheard; before the end, also the beginning of one."""
    if not ended and _may_become_backchannel(said):
        return True
    return len(said) >= _MISHEARD_FROM and any(
        distance(said, word if ended else word[: len(said)]) <= 1
        for word in _BACKCHANNELS
        if len(word) >= _MISHEARD_FROM
    )


def _may_become_backchannel(said: str) -> bool:
    """Whether it is a backchannel's beginning, after others perhaps."""
    rest = said
    while rest:
        if any(word.startswith(rest) for word in _BACKCHANNELS):
            return True
        word = next((word for word in _BACKCHANNELS if rest.startswith(word)), None)
        if word is None:
            return False
        rest = rest[len(word) :]
    return True
