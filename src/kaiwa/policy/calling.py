"""Whether somebody calls the agent by its name, as it was heard.

Recognition writes a name in any script and often a little wrong, so names and words are compared
by a rough sound: kana as Latin letters, long vowels and doubled letters as one, and what Japanese
ears do not tell apart (l and r, v and b) as the same.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from kaiwa.policy.similar import distance


def _table(pairs: str) -> dict[str, str]:
    return dict(pair.split(":") for pair in pairs.split())


_KANA: Final = _table(
    "あ:a い:i う:u え:e お:o か:ka き:ki く:ku け:ke こ:ko さ:sa し:si す:su せ:se そ:so "
    "た:ta ち:ti つ:tu て:te と:to な:na に:ni ぬ:nu ね:ne の:no は:ha ひ:hi ふ:hu へ:he ほ:ho "
    "ま:ma み:mi む:mu め:me も:mo や:ya ゆ:yu よ:yo ら:ra り:ri る:ru れ:re ろ:ro わ:wa を:o "
    "ん:n が:ga ぎ:gi ぐ:gu げ:ge ご:go ざ:za じ:zi ず:zu ぜ:ze ぞ:zo だ:da ぢ:zi づ:zu で:de "
    "ど:do ば:ba び:bi ぶ:bu べ:be ぼ:bo ぱ:pa ぴ:pi ぷ:pu ぺ:pe ぽ:po ゔ:bu っ: ー: "
    "ぁ:a ぃ:i ぅ:u ぇ:e ぉ:o ゃ:ya ゅ:yu ょ:yo ゎ:wa 愛:ai 英:ei 永:ei"
)
"""And the kanji that recognition writes for the default name, エーアイ."""
_SOUNDS_ALIKE: Final = (
    *(("shi", "si"), ("sh", "sy"), ("chi", "ti"), ("ch", "ty"), ("tsu", "tu"), ("ji", "zi")),
    *(("j", "zy"), ("fu", "hu"), ("ph", "h"), ("f", "h"), ("th", "s"), ("ck", "k"), ("c", "k")),
    *(("q", "k"), ("x", "ks"), ("v", "b"), ("l", "r"), ("ou", "o"), ("ei", "e"), ("w", "u")),
    ("mp", "np"),
)
_LETTERS: Final = _table(
    "a:えー b:びー c:しー d:でぃー e:いー f:えふ g:じー h:えいち i:あい j:じぇー k:けー l:える "
    "m:えむ n:えぬ o:おー p:ぴー q:きゅー r:あーる s:えす t:てぃー u:ゆー v:ぶい w:だぶりゅー "
    "x:えっくす y:わい z:ぜっと"
)
_SPELLED: Final = 3  # a name of so few letters may be read letter by letter
_LONG_ENOUGH: Final = 4  # a shorter sound begins too many words
_GREETINGS: Final = re.compile(
    r"^(?:ねえねえ|ねえ|ねぇ|ね|おーい|おい|あのさ|あのね|あの|えーと|えっと|じゃあ|では|さて|やあ|"
    r"はい|すみません|すいません|ごめん|よし|どうも|ありがとう|おやすみ|"
    r"こんにちは|こんばんは|おはようございます|おはよう|もしもし|はろー|へい|おっけー|(?:ok|okay|hey|hi|"
    r"hello|good morning|good evening|excuse me|um|uh|so|and|well|yo|dear)\b)[\s、。,.!?ー…]*"
)
_ALLOWED: Final = ((7, 2), (5, 1), (0, 0))
"""(length of the name's sound, letters that may be wrong)"""
_CALL: Final = "ne"
"""ねえ as it is heard together with a name: "Neai"."""
_TITLE: Final = re.compile(r"(?:さん|ちゃん|くん|君|様|さま|先生|殿)?[ねよさはわ]?$")
_WORD: Final = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|[^\W_a-z0-9]+")
_KATAKANA = range(0x30A1, 0x30F7)


def is_called(name: str, text: str) -> bool:
    """Whether `text` begins with the name, after a greeting perhaps, or ends with it."""
    said = _plain(text)
    while (greeting := _GREETINGS.match(said)) and greeting.end() < len(said):
        said = said[greeting.end() :]
    words = _WORD.findall(said)
    if not words:
        return False
    first, last = "".join(words[:2]), _TITLE.sub("", "".join(words[-2:]))
    sounds = {_sound("".join(words[:n])) for n in (1, 2, 3)}
    sounds |= {_sound("".join(words[-n:])) for n in (1, 2, 3)}
    sounds |= {_sound(_TITLE.sub("", word)) for word in (words[0], words[-1])} | {_sound(last)}
    inside = {_sound(first[:n]) for n in range(1, len(first) + 1)}
    inside |= {_sound(last[-n:]) for n in range(1, len(last) + 1)}
    for form in _forms(_plain(name)):
        sound = _sound(form)
        if any(_matches(sound, heard) for heard in sounds) or _CALL + sound in sounds:
            return True
        spaced = form.isascii() or len(sound) < _LONG_ENOUGH
        if not spaced and any(_matches(sound, heard) for heard in inside):
            return True  # no spaces part the words of Japanese
    return False


def _forms(name: str) -> set[str]:
    """A name as it is written, and as its letters are read; エー after a word is heard as ヘー."""
    forms = {name}
    if name.isascii() and name.isalpha() and len(name) <= _SPELLED:
        read = "".join(_LETTERS[letter] for letter in name)
        forms |= {read, f"へ{read[1:]}"} if read.startswith("え") else {read}
    return forms


def _matches(name: str, sound: str) -> bool:
    if not sound or not name:
        return False
    allowed = next(allowed for least, allowed in _ALLOWED if len(name) >= least)
    return abs(len(name) - len(sound)) <= allowed and distance(name, sound) <= allowed


def _plain(text: str) -> str:
    """NFKC, lower case, hiragana for katakana."""
    plain = unicodedata.normalize("NFKC", text).casefold().strip()
    return "".join(chr(ord(c) - 0x60) if ord(c) in _KATAKANA else c for c in plain)


def _sound(plain: str) -> str:
    """Kana as letters; kanji and other scripts as they are."""
    sound = ""
    for char in plain:
        latin = _KANA.get(char, char if char.isalnum() else "")
        if char in "ゃゅょ" and sound.endswith("i"):
            sound = sound[:-1]  # し + ゃ = sya
        elif char in "ぁぃぅぇぉ" and sound and sound[-1] in "aiueo":
            sound = sound[:-1]  # て + ぃ = ti
        sound += latin
    for spelling, alike in _SOUNDS_ALIKE:
        sound = sound.replace(spelling, alike)
    sound = re.sub(r"[rh](?=[^aeiou]|$)|(?<=[^aeiou])u$", "", sound)  # Jarvis, ジャービス; Hannah
    return re.sub(r"(.)\1+", r"\1", sound)
