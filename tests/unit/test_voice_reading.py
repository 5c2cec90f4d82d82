"""What the Japanese voices say where the text is not plain Japanese."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kaiwa.adapters.tts_kokoro import reading
from kaiwa.adapters.voice_reading import with_kana
from kaiwa.policy.speakable import speakable

pytestmark = pytest.mark.filterwarnings("ignore:open_text is deprecated:DeprecationWarning")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("GoogleとWi-FiとTシャツ", "グーグルとワイファイとティーシャツ"),
        ("APIとUSB-C", "エーピーアイとユーエスビーシー"),
        ("GitHubでPythonを", "ギットハブでパイソンを"),
        ("ChatGPTはOpenAIのもの", "チャットジーピーティーはオープンエーアイのもの"),
        ("TypeScriptとiOS", "タイプスクリプトとアイオーエス"),
        ("whisperを使う", "ウィスパーを使う"),
        ("e-mail", "イーメール"),
        ("npm", "エヌピーエム"),
        ("B1のAさん", "ビー1のエーさん"),
        ("6EとB2BとA/Bと3rd", "6イーとビー2ビーとエー/ビーとサード"),
        ("A vs. B", "エー バーサス. ビー"),
        ("CO2と5kmと3DとC++とNo.1と60km/h", "CO2と5kmと3DとC++とNo.1と60km/h"),  # OpenJTalk's own
    ],
)
def test_latin_words_are_said_as_words(written: str, said: str) -> None:
    assert with_kana(written) == said


@pytest.fixture(scope="module")
def phonemes() -> Callable[[str], str]:
    return reading()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("1,200円", "せんにひゃくえん"),
        ("12,000,000円", "せんにひゃくまんえん"),
        ("25.5℃", "にじゅーごーてんごど"),
        ("2人分", "ふたりぶん"),
        ("3本", "さんぼん"),
        ("10時05分", "じゅーじごふん"),
        ("1階と3階", "いっかいとさんがい"),
        ("10%", "じゅっぱーせんと"),
        ("3.14", "さんてんいちよん"),
        ("-5度", "まいなすごど"),
        ("090-1234", "ぜろきゅーぜろいちにーさんよん"),
        ("2026年11月23日", "にせんにじゅーろくねんじゅーいちがつにじゅーさんにち"),
        ("11/23", "じゅーいちがつにじゅーさんにち"),
        ("4月1日から3日", "しがつついたちからみっか"),
        ("3〜5人", "さんからごにん"),
        ("20歳で2杯", "にじゅっさいでにはい"),
        ("第3章の2つ", "だいさんしょーのふたつ"),
        ("9:05", "くじごふん"),
        ("CO2とB1", "しーおーつーとびーいち"),
    ],
)
def test_kokoro_reads_numbers_with_what_is_counted(
    phonemes: Callable[[str], str], written: str, said: str
) -> None:
    assert _bare(phonemes(speakable(written, "ja"))) == _bare(phonemes(said))


@pytest.mark.parametrize("odd", ["わーぁ", "んゃ", "٣人", "２３²", "①½", "っー", "ゝ々", "한국어"])
def test_odd_text_can_be_given(phonemes: Callable[[str], str], odd: str) -> None:
    assert isinstance(phonemes(odd), str)


def _bare(phonemes: str) -> str:
    """Without word boundaries, and the moraic n as before a pause."""
    joined = phonemes.replace(" ", "")
    for nasal in "ŋɲm":
        joined = joined.replace(nasal, "n")
    return joined.replace("ɴ", "n")
