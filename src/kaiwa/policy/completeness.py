"""Whether what somebody said sounds finished, by how the text ends, and how long to wait for more.

A pause decides that a turn is over; the words and the turn model's score only move the moment.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum, auto
from typing import Final

LIKELY: Final = 0.5
"""From here on a score says that the turn is over."""
LONGEST_WAIT_S: Final = 1.5
"""Nobody who has said something is waited for longer: this is an answer's place."""


def _set(words: str, between: str | None = None) -> frozenset[str]:
    return frozenset(words.split(between))


class Completeness(Enum):
    COMPLETE = auto()
    """A question, a closing verb form or particle, a request."""
    OPEN = auto()
    """It may be over or go on."""
    UNFINISHED = auto()
    """A filler, a conjunction, a dangling particle: there is more to come."""
    NOTHING = auto()
    """Nothing but a filler or a conjunction: there is nothing to answer yet."""


_WAITS_S: Final = {
    Completeness.COMPLETE: (0.45, 0.6, 0.7),
    Completeness.OPEN: (0.6, 0.75, 1.0),
    Completeness.UNFINISHED: (1.4, LONGEST_WAIT_S, LONGEST_WAIT_S),
    Completeness.NOTHING: (3.0, 3.0, 3.0),
}
"""Seconds of silence that end a turn: with a likely score, without a score, with an unlikely one.
The score was right of 8 of 12 complete questions, so an unlikely one delays and never blocks."""


def patience_s(text: str, score: float | None) -> float:
    """How long a silence after `text` must last to end the turn; `score` in 0..1."""
    likely, unknown, unlikely = _WAITS_S[completeness(text)]
    if score is None:
        return unknown
    return likely if score >= LIKELY else unlikely


def completeness(text: str) -> Completeness:
    """Judges the last words; an empty text is open."""
    said = unicodedata.normalize("NFKC", text).strip()
    bare = said.rstrip(" .!?。、,…-—~〜")
    if not bare:
        return Completeness.OPEN
    if _NOTHING.fullmatch(bare) and not said.endswith("?"):
        return Completeness.NOTHING
    japanese = _JAPANESE.search(bare[-4:]) is not None
    broken_off = said.endswith(_BROKEN_OFF)
    if japanese:
        return _japanese(bare, asked=said.endswith("?"), broken_off=broken_off)
    return _latin(bare, asked=said.endswith("?"), broken_off=broken_off)


_JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_BROKEN_OFF = ("、", ",", "...", "…", "-", "—")

_WHOLE = re.compile(
    r"(こんにち[はわ]|こんばん[はわ]|では|じゃあ|それじゃあ?|またね|(なん|何)で|(なに|何)が|"
    r"(の|って)いうのは|もしもし)$"
)
"""Ends as if there were more, and is whole."""
_FILLER = re.compile(
    r"(え[ーえ]?っ?とー?|え[ー〜]+|あの[ーう]*|その[ー〜]+|う[ー〜]+ん|んー+|まあ|ま[ー〜]+|"
    r"なんか|何か|ほら|なんて(いう|言う)か|(何|なん)だっけ)$"
)
_NOTHING = re.compile(
    rf"({_FILLER.pattern.removesuffix('$')}|それで|だから|でも|そして|しかし|[、\s])+|"
    r"((um|uh|er|erm|hmm|well|so|and|but|now|then)\b[\s,]*)+",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"((教え|おしえ|見せ|聞かせ|聞い|きい|話し|言っ|いっ|作っ|つくっ|書い|調べ|しらべ|読ん|訳し|"
    r"説明し|紹介し|まとめ|やめ|止め|止まっ|待っ|手伝っ|つけ|消し|答え|続け|助け|考え|決め|選ん|"
    r"始め|やっ|直し|開い|送っ)て|お願い|おねがい|頼む|ちょうだい|下さい|ください)$"
)
_MORE = re.compile(
    r"(けど|けども|けれど|けれども|ですが|ますが|だが|たが|から|ので|のに|でも|そして|それで|"
    r"だから|しかし|それから|それと|あと|または|とか|たり|ながら|なら|たら|れば|って|と思って|"
    r"[はをにがともへでやてし]|より|まで|という|ていう|っていう|ための|みたいな|ような)$"
)
_CLOSED = re.compile(
    r"(です|ます|ました|でした|ません|ましょう|でしょう|だろう|ください|か|ね|よ|っけ|かな|かしら|"
    r"だよ|だね|ぞ|ありがとう|ございます|はい|いいえ|うん|うーん|ううん|さようなら|おはよう|"
    r"[るいただう]の|何|なに|誰|だれ|どこ|いつ|どれ|いくら|いくつ)$"
)
ASKED_PLAINLY: Final = re.compile(
    r"((何|なに|誰|だれ|どこ|どれ|いつ)[をがにへで](?!も|でも)|どう(?=したら|すれば|思)).*(思う|いい)$"
)
"""A question in plain Japanese, which says so by its tone alone: 何をしたらいいと思う."""
_OR_SOMETHING = re.compile(r"(何|なに|誰|だれ|どこ|いつ|どれ|いくつ)か$")


def _japanese(bare: str, *, asked: bool, broken_off: bool) -> Completeness:
    if _WHOLE.search(bare):
        return Completeness.COMPLETE
    if _FILLER.search(bare) and bare not in ("うーん", "ううん"):
        return Completeness.UNFINISHED
    if asked:
        return Completeness.COMPLETE
    if broken_off:
        return Completeness.UNFINISHED
    if _REQUEST.search(bare):
        return Completeness.COMPLETE
    if _OR_SOMETHING.search(bare):
        return Completeness.OPEN
    if _CLOSED.search(bare) or ASKED_PLAINLY.search(bare):
        return Completeness.COMPLETE
    if _MORE.search(bare) or bare.endswith("の"):
        return Completeness.UNFINISHED
    return Completeness.OPEN


_HANGING = _set(
    "a an the and but or so because if when while that which who whose of to in on at for with "
    "from by as than about into like my your his her its our their i we they you're i'm it's is "
    "are was were be been do does did can could would will should shall may might must have has "
    "had not very really some any each every um uh er erm hmm well let's want need know"
)
_HANGING_ENDS = ("you know", "i mean", "kind of", "sort of", "let me see", "i think", "tell me")
_STANDS_ALONE = _set(
    "i do/i can/i will/i have/i am/i know/yes i do/i think so/you know what/it is/as well", "/"
)
_STARTS = _set(
    "what who whose which when where why how is are was were do does did can could would will "
    "should shall may tell show give explain describe please"
)
_ANSWERS = _set("yes no yeah yep nope okay ok sure thanks hello hi bye goodbye")
_CONDITION = re.compile(
    r"(well |so |and |but )*(if|although|though|unless|until|since|while|whenever|once|"
    r"(when|after|before) (i|you|he|she|it|we|they|the|my|your)) "
)
"""A clause that needs another one: "If it rains tomorrow." """


def _latin(bare: str, *, asked: bool, broken_off: bool) -> Completeness:
    words = re.findall(r"[\w']+", bare.casefold())
    if not words:
        return Completeness.OPEN
    whole = " ".join(words)
    if whole in _STANDS_ALONE:
        return Completeness.COMPLETE
    if broken_off or words[-1] in _HANGING or whole.endswith(_HANGING_ENDS):
        return Completeness.UNFINISHED
    if not asked and "," not in bare and _CONDITION.match(whole):
        return Completeness.UNFINISHED
    if asked or whole in _ANSWERS or whole.endswith("thank you"):
        return Completeness.COMPLETE
    if words[0] in _STARTS and len(words) > 2:
        return Completeness.COMPLETE
    return Completeness.OPEN
