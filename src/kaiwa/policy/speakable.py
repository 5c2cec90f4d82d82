"""From what a reply says to what a voice can read.

Small passes, in order; each takes text and language and gives text. Only what is spoken goes
through here: the text that people read stays as the model wrote it. A clause may hold half of a
pair (the opening `**` without the closing one), so marks are removed where they stand alone, too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import groupby
from urllib.parse import urlsplit

Pass = Callable[[str, str], str]
Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def speakable(text: str, language: str) -> str:
    """The text as a voice of this language (ISO 639-1) should read it; empty: nothing to read."""
    for each in PASSES:
        text = each(text, language)
    return text if any(char.isalnum() for char in text) else ""


# --- markdown ----------------------------------------------------------------------------------

_MARKDOWN: Sequence[Rule] = (
    (re.compile(r"```.*?(?:```|\Z)", re.DOTALL), " "),  # nobody wants to hear code
    (re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)"), r"\1"),
    (re.compile(r"<(https?://[^>\s]+)>"), r"\1"),
    (re.compile(r"</?[A-Za-z][^<>\n]*>"), " "),
    (re.compile(r"^\s{0,3}(?:[-*_]\s*){3,}$", re.MULTILINE), ""),
    (re.compile(r"^\s{0,3}(?:#{1,6}\s+|>+\s*)", re.MULTILINE), ""),
    (re.compile(r"^\s*[-*+•・]\s+(?:\[[ xX]\]\s+)?", re.MULTILINE), ""),  # - [x] a task
    (re.compile(r"\*\*|~~|`|(?<!\w)__?(?=\S)|(?<=\S)__?(?!\w)"), ""),
    (re.compile(r"(?<!\d)\*|\*(?!\d)"), ""),  # 3*4 stays
    (re.compile(r"\s*\|\s*"), " "),
)
_LIST_NUMBER = re.compile(r"^\s*(\d{1,3})[.)]\s+", re.MULTILINE)


def without_markdown(text: str, language: str) -> str:
    """Only the words of what is written as markdown."""
    text = _LIST_NUMBER.sub(r"\1、" if language == "ja" else r"\1, ", text)
    return _apply(_MARKDOWN, text)


# --- URLs --------------------------------------------------------------------------------------

_URL = re.compile(r"(?:https?://|www\.)[!-~]+")
_AFTER_URL = ".,;:!?)]}'\""
_DOT = {"ja": "ドット", "en": " dot "}


def urls_as_domains(text: str, language: str) -> str:
    """`https://www.example.com/a?b` is read as its domain alone."""

    def domain(match: re.Match[str]) -> str:
        url = match[0].rstrip(_AFTER_URL)
        try:
            host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
        except ValueError:  # "https://[": no URL after all
            host = ""
        spoken = host.removeprefix("www.").replace(".", _DOT.get(language, "."))
        return spoken + match[0][len(url) :]

    return _URL.sub(domain, text)


# --- characters --------------------------------------------------------------------------------

_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\U0001fb00-\U0001fbff\U000e0020-\U000e007f"
    "\u2600-\u27bf\u2b00-\u2bff\u23e9-\u23fa\ufe0e\ufe0f\u200d\u20e3]"
)
_SILENT = re.compile("[※★☆●○■□◆◇▲△▼▽→←↑↓⇒⇔►]")


def without_emoji(text: str, language: str) -> str:
    """Pictures and ornaments have no reading."""
    return _SILENT.sub(" ", _EMOJI.sub("", text))


_ITEM = re.compile(r"([①-⑳])\s*(?=\w)(?![とはをのがもにで①-⑳])")  # ①りんご, but not ①と②
_AND_A_FRACTION = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")


def plain_width(text: str, language: str) -> str:
    """NFKC for letters, digits and signs; punctuation stays, because voices pause by it."""
    text = text.replace("～", "〜")
    text = _ITEM.sub(r"\1、" if language == "ja" else r"\1, ", text)
    text = _AND_A_FRACTION.sub("と" if language == "ja" else " and ", text)
    return "".join(
        "".join(run) if is_punctuation else unicodedata.normalize("NFKC", "".join(run))
        for is_punctuation, run in groupby(text, _is_punctuation)
    ).replace("⁄", "/")


def _is_punctuation(char: str) -> bool:
    # The full-width signs of numbers and units are punctuation to Unicode, but not to a voice.
    return unicodedata.category(char)[0] == "P" and char not in "％．，＆＃＠／"


# --- numbers -----------------------------------------------------------------------------------

_COUNTED = "年月日時分秒人名本個回円度階歳枚杯匹冊台件点%"
_MONTHS, _DAYS = 12, 31
_LARGEST_DENOMINATOR = 9  # 3/4 is three quarters, 11/23 is a day in November


def _day_or_fraction(match: re.Match[str]) -> str:
    left, right, weekday = int(match[1]), int(match[2]), match[3] or ""
    if left < right <= _LARGEST_DENOMINATOR and not weekday:
        return f"{right}分の{left}"
    if 1 <= left <= _MONTHS and 1 <= right <= _DAYS:
        return f"{left}月{right}日{weekday}"
    return match[0]


def _range(match: re.Match[str]) -> str:
    rising = int(match[1]) < int(match[2])
    return f"{match[1]}から{match[2]}" if rising else match[0]  # 3-1 is a score


def _dots_as(word: str) -> Rule:
    """1.2.3 and 192.168.1.1 are no decimal fractions."""
    numbers = re.compile(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.]*\d)")
    return numbers, lambda match: match[0].replace(".", word)


_WEEKDAY = "[月火水木金土日]"
_CLOCK = r"(?:[01]?\d|2[0-4]):[0-5]\d"
_JAPANESE: Sequence[Rule] = (
    (re.compile(r"(?<!\d)([12]\d{3})[-/.](\d\d?)[-/.](\d\d?)(?![\d/.-])"), r"\1年\2月\3日"),
    (
        re.compile(r"(?<![\d/.])(\d\d?)/(\d\d?)(?![\d/])(\([月火水木金土日]\))?"),
        _day_or_fraction,
    ),
    (re.compile(r"(?<![\d/.])(\d+)/(\d{3,})(?![\d/])"), r"\2分の\1"),
    _dots_as("点"),
    (re.compile(rf"({_CLOCK})\s*-\s*(?={_CLOCK})"), r"\1から"),
    (re.compile(r"(?<![\d:])(\d\d?):([0-5]\d):([0-5]\d)(?![\d:])"), r"\1時\2分\3秒"),
    (re.compile(r"(?<![\d:])([01]?\d|2[0-4]):([0-5]\d)(?![\d:])"), r"\1時\2分"),
    (re.compile(r"(?<![\d:])(\d+):(\d)(?![\d:])"), r"\1対\2"),
    (re.compile(r"(?<!\d)0(?=\d[時分秒月日])"), ""),
    (re.compile(r"時0分(?!\d)"), "時"),
    (re.compile(r"\$\s*(\d[\d,.]*\d|\d)([万億]?)"), r"\1\2ドル"),
    (re.compile(r"€\s*(\d[\d,.]*\d|\d)([万億]?)"), r"\1\2ユーロ"),
    (re.compile(r"£\s*(\d[\d,.]*\d|\d)([万億]?)"), r"\1\2ポンド"),
    (re.compile(r"[¥\\]\s*(\d[\d,.]*\d|\d)([万億]?)円?"), r"\1\2円"),
    (re.compile(r"±\s*(?=\d)"), "プラスマイナス"),
    (
        re.compile(r"(?<=[^\W_ぁ-ゖ])([%）)]?)\s*[〜~–]\s*(?=(?:午[前後]|[約$€£¥第-])?\d)"),
        r"\1から",
    ),
    (re.compile(rf"(?<![一-鿿\d])({_WEEKDAY})〜({_WEEKDAY})(?![一-鿿])"), r"\1曜から\2曜"),
    (re.compile(r"(?<=[一-鿿])〜(?=[一-鿿])|(?<=[時分日月年])〜(?=[\s、。]|$)"), "から"),
    (re.compile(rf"(?<![\d-])([1-9]\d*)\s*-\s*(\d+)(?=[{_COUNTED}])"), _range),
    (re.compile(r"(?<![A-Za-z\d)])[-−](?=\d)"), "マイナス"),
    (re.compile(r"(?<=\d)\s*\+\s*(?=\d)"), "たす"),
    (re.compile(r"(?<=\d)\s*[×x*]\s*(?=\d)|(?<=[A-Za-z])\s*×\s*(?=\d)"), "かける"),
    (re.compile(r"(?<=\d)\s*÷\s*(?=\d)"), "わる"),
    (re.compile(r"(?<=\d)\s*=\s*(?=[\dマ])"), "は"),
    (re.compile(r"(?<=\w)\s*=\s*(?=\w)"), "イコール"),
    (re.compile(r"(?<=[A-Za-z\d])\^(\d+)"), r"の\1乗"),
    (re.compile(r"√(?=\w)"), "ルート"),
    (re.compile("π"), "パイ"),
    (re.compile(r"°[CF]?"), "度"),
    (re.compile(r"(?<=\d)\s*GB(?![A-Za-z])"), "ギガバイト"),
    (re.compile(r"(?<=\d)\s*L(?![A-Za-z])"), "リットル"),
    (re.compile(r"(?<![A-Za-z])No\.\s*(?=\d)"), "ナンバー"),
    (re.compile(r"(?<![A-Za-z])e\.g\.,?\s*"), "たとえば"),
    (re.compile(r"(?<![A-Za-z])i\.e\.,?\s*"), "つまり"),
    (re.compile(r"(?<=\w)\s*&\s*(?=\w)"), "アンド"),
    (re.compile(r"(?<=\w)@(?=\w)"), "アットマーク"),
    (re.compile(r"(?<![A-Za-z])(Mrs?|Ms|Dr)\.\s*(?=\w)"), r"\1 "),
    (re.compile(r"(?<![\d.])\.(?=[A-Za-z]{2})"), "ドット"),
    (re.compile(r"(?<![A-Za-z\d])([A-Z])#"), r"\1シャープ"),
)
_MONTH_NAMES = "Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec"
_ENGLISH: Sequence[Rule] = (
    (re.compile(r"(?<!\w)~\s*(?=[$€£]?\d)"), "about "),
    (re.compile(r"\be\.g\.,?"), "for example,"),
    (re.compile(r"\bi\.e\.,?"), "that is,"),
    (re.compile(r"\bNo\.\s*(?=\d)"), "number "),
    (re.compile(r"\b24/7\b"), "24 7"),
    (re.compile(rf"\b({_MONTH_NAMES})\. (?=\d)"), r"\1 "),
    _dots_as(" dot "),
    (re.compile(rf"({_CLOCK})\s*[-–]\s*(?={_CLOCK})"), r"\1 to "),
    (re.compile(r"(?<=\d%)\s*[-–]\s*(?=\d)"), " to "),
    (re.compile(r"(?<![\d:])(\d+):(\d)(?![\d:])"), r"\1 to \2"),
    (re.compile(r"(?<![\d/.])(\d+)/(\d{3,})(?![\d/])"), r"\1 over \2"),
    (re.compile(r"(?<=\d)x\b"), " times"),
    (re.compile(r"(?<=\d)\s*m/s\b"), " meters per second"),
    (re.compile(r"(?<=\d)\s*m2\b"), " square meters"),
    (re.compile(r"(?<=\d)\s*km2\b"), " square kilometers"),
    (re.compile(r"√(?=\w)"), "the square root of "),
    (re.compile(r"(?<=\b[A-Z])#"), " sharp"),
    (re.compile(r"\bCO2\b"), "C O 2"),
    (re.compile(r"(?<=\w)@(?=\w)"), " at "),
    (re.compile(r"(?<=\w)\.(?=(?:com|org|net|edu|gov|io|dev|app|jp|uk)\b)"), " dot "),
    (re.compile(r"(?<![\w.])\.(?=[A-Z]{2})"), " dot "),  # .NET
)
_RULES = {"ja": _JAPANESE, "en": _ENGLISH}


def signs_as_words(text: str, language: str) -> str:
    """What the voices of the language do not read right by themselves.

    OpenJTalk reads 1,200円, 2人分 and 5km, and hibari $5.50, 3rd and 11/23: those stay.
    """
    return _apply(_RULES.get(language, ()), text)


# --- blanks ------------------------------------------------------------------------------------

_BLANKS: Sequence[Rule] = (
    (re.compile(r"\s+"), " "),
    (re.compile(r" (?=[、。，．,.!?！？])"), ""),
    (re.compile(r"^[\s、。，．,.;:]+|\s+$"), ""),
)


def tidy(text: str, language: str) -> str:
    """One blank at most, none before a mark, no mark left over at the beginning."""
    return _apply(_BLANKS, text)


def _apply(rules: Sequence[Rule], text: str) -> str:
    for pattern, replacement in rules:
        text = pattern.sub(replacement, text)
    return text


PASSES: Sequence[Pass] = (
    without_markdown,
    urls_as_domains,
    without_emoji,
    plain_width,
    signs_as_words,
    tidy,
)
"""In order: markdown hides URLs, URLs hide numbers, and signs need NFKC (℃ becomes °C)."""
