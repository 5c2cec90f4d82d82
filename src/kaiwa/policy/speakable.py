"""From what a reply says to what a voice can read.

Small passes, in order; each takes text and language and gives text. Only what is spoken goes
through here: the text that people read stays as the model wrote it. A clause may hold half of a
pair (the opening `**` without the closing one), so marks are removed where they stand alone, too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from urllib.parse import urlsplit

Pass = Callable[[str, str], str]
Rule = tuple[re.Pattern[str], str]


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
    (re.compile(r"^\s{0,3}(?:#{1,6}|>+)\s*", re.MULTILINE), ""),
    (re.compile(r"^\s*[-*+•・]\s+", re.MULTILINE), ""),
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


def plain_width(text: str, language: str) -> str:
    """NFKC for letters, digits and signs; punctuation stays, because voices pause by it."""
    text = text.replace("～", "〜")
    return "".join(
        "".join(run) if is_punctuation else unicodedata.normalize("NFKC", "".join(run))
        for is_punctuation, run in groupby(text, _is_punctuation)
    )


def _is_punctuation(char: str) -> bool:
    # The full-width signs of numbers and units are punctuation to Unicode, but not to a voice.
    return unicodedata.category(char)[0] == "P" and char not in "％．，＆＃＠／"


# --- numbers and units -------------------------------------------------------------------------

_GROUPED = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])")


def numbers_joined(text: str, language: str) -> str:
    """1,200 is one number; a list such as 1,2,3 is not."""
    return _GROUPED.sub(lambda match: match[0].replace(",", ""), text)


def _after_number(unit: str) -> re.Pattern[str]:
    return re.compile(rf"(?<=\d)\s*{unit}(?![A-Za-z])")


_UNITS: Mapping[str, Sequence[Rule]] = {
    "ja": (
        (re.compile(r"(?<!\d)([01]?\d|2[0-4]):([0-5]\d)(?![\d:])"), r"\1時\2分"),
        (re.compile(r"(?<!\d)0(?=\d(?:時|分|秒|月|日))"), ""),
        (re.compile(r"時0分"), "時"),
        (re.compile(r"\$\s*(\d+(?:\.\d+)?)"), r"\1ドル"),
        (re.compile(r"€\s*(\d+(?:\.\d+)?)"), r"\1ユーロ"),
        (re.compile(r"[¥\\]\s*(\d+)円?"), r"\1円"),
        (re.compile(r"(?<=\d)\s*[〜~]\s*(?=\d)"), "から"),
        (_after_number("°[Cc]?"), "度"),
        (_after_number("%"), "パーセント"),
        (_after_number("km/h"), "キロ"),
        (_after_number("km"), "キロメートル"),
        (_after_number("cm"), "センチ"),
        (_after_number("mm"), "ミリ"),
        (_after_number("m"), "メートル"),
        (_after_number("kg"), "キロ"),
        (_after_number("g"), "グラム"),
        (_after_number("ml|(?<=\\d)\\s*mL"), "ミリリットル"),
        (_after_number("GB"), "ギガバイト"),
        (_after_number("MB"), "メガバイト"),
    ),
    "en": (
        (re.compile(r"\$\s*(\d+(?:\.\d+)?)"), r"\1 dollars"),
        (re.compile(r"€\s*(\d+(?:\.\d+)?)"), r"\1 euros"),
        (re.compile(r"¥\s*(\d+)"), r"\1 yen"),
        (re.compile(r"(?<=\d)\s*[–~]\s*(?=\d)"), " to "),
        (_after_number("°[Cc]?"), " degrees"),
        (_after_number("°F"), " degrees Fahrenheit"),
        (_after_number("%"), " percent"),
        (_after_number("km/h"), " kilometers per hour"),
        (_after_number("km"), " kilometers"),
        (_after_number("cm"), " centimeters"),
        (_after_number("mm"), " millimeters"),
        (_after_number("kg"), " kilograms"),
        (_after_number("GB"), " gigabytes"),
        (_after_number("MB"), " megabytes"),
        (re.compile(r"\s*&\s*"), " and "),
    ),
}


def units_as_words(text: str, language: str) -> str:
    """Signs and units after numbers, as they are said; languages without a table keep them."""
    return _apply(_UNITS.get(language, ()), text)


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
    numbers_joined,
    units_as_words,
    tidy,
)
"""In order: markdown hides URLs, URLs hide numbers, and units need NFKC (℃ becomes °C)."""
