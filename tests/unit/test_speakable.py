"""What is written, as a voice should read it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiwa.policy.speakable import speakable


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        # what OpenJTalk reads right stays as it is
        ("1,200円です。", "1,200円です。"),
        ("2人分と3本、1階、20歳、3.14、10%", "2人分と3本、1階、20歳、3.14、10%"),
        ("身長170cm、体重60kg、60km/h", "身長170cm、体重60kg、60km/h"),
        ("2026年11月23日", "2026年11月23日"),
        ("電話は090-1234-5678です。", "電話は090-1234-5678です。"),
        ("GPT-4はAPIです。", "GPT-4はAPIです。"),
        ("１，２００円", "1,200円"),
        ("湿度は60％", "湿度は60%"),
        # signs
        ("¥1,200", "1,200円"),
        ("$5です", "5ドルです"),
        ("$2.50か€3か£4万", "2.50ドルか3ユーロか4万ポンド"),
        ("25.5℃です。", "25.5度です。"),
        ("-5度、−5℃、約-3度", "マイナス5度、マイナス5度、約マイナス3度"),
        ("16GBと2L", "16ギガバイトと2リットル"),
        ("賞はNo.1のR&D", "賞はナンバー1のRアンドD"),
        ("5+3=8、3×4、10÷2", "5たす3は8、3かける4、10わる2"),
        ("x = 3、2^10、√2、±5", "xイコール3、2の10乗、ルート2、プラスマイナス5"),
        ("5cm×3cm", "5cmかける3cm"),
        ("v1.2.3と192.168.1.1", "v1点2点3と192点168点1点1"),
        ("C#と.NET", "CシャープとドットNET"),
        ("歌はMr.Childrenと Dr. Smith", "歌はMr Childrenと Dr Smith"),
        ("e.g. りんご", "たとえばりんご"),
        # times, dates, fractions
        ("10:05に来ます", "10時5分に来ます"),
        ("10時05分、9:00", "10時5分、9時"),
        ("11/23です。9/4（金）も。", "11月23日です。9月4日（金）も。"),
        ("2026/11/03、2026-01-05", "2026年11月3日、2026年1月5日"),
        ("1/2と3/4", "2分の1と4分の3"),
        ("3/31(火)、24/7", "3月31日(火)、24/7"),
        ("2026.11.23、1/100", "2026年11月23日、100分の1"),
        ("12:30:45、3:2で勝った", "12時30分45秒、3対2で勝った"),
        ("½カップと1½カップ", "2分の1カップと1と2分の1カップ"),
        # ranges
        ("9:00-17:00", "9時から17時"),
        ("3kg〜5kg、5%〜10%", "3kgから5kg、5%から10%"),
        ("11/23（月）〜11/25（水）", "11月23日（月）から11月25日（水）"),
        ("月〜金、東京〜大阪、3ページ〜5ページ", "月曜から金曜、東京から大阪、3ページから5ページ"),
        ("受付は9:00〜、12月〜", "受付は9時から、12月から"),
        ("-3〜-1度、そう〜3つ", "マイナス3からマイナス1度、そう〜3つ"),
        ("3〜5人", "3から5人"),
        ("3人～5人、約20〜30%", "3人から5人、約20から30%"),
        ("10:30〜12:00、午後3時〜5時", "10時30分から12時、午後3時から5時"),
        ("10-20分、3-1で勝った", "10から20分、3-1で勝った"),
        # addresses
        ("詳しくは https://www.example.com/a?b=1 を。", "詳しくは exampleドットcom を。"),
        ("info@example.co.jp へ", "infoアットマークexampleドットcoドットjp へ"),
        # other
        ("ｶﾞｷﾞｸﾞ", "ガギグ"),
        ("本当！？", "本当！？"),
        ("**重要**な`コード`です", "重要なコードです"),
        ("いいですね😊✨👨‍👩‍👧🇯🇵。", "いいですね。"),
        ("## 見出し", "見出し"),
        ("#1です", "#1です"),
        ("1. りんご", "1、りんご"),
        ("・みかん", "・みかん"),
        ("- [ ] 牛乳\n- [x] 卵", "牛乳 卵"),
        ("①りんご②みかん、①と②", "1、りんご2、みかん、1と2"),
    ],
)
def test_japanese(written: str, spoken: str) -> None:
    assert speakable(written, "ja") == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        # what hibari reads right stays as it is
        ("It is 25.5°C now, or -5.", "It is 25.5°C now, or -5."),
        ("1,200 people, 60%, $5.50 & more", "1,200 people, 60%, $5.50 & more"),
        ("The 3rd at 10:05 with Dr. Lee.", "The 3rd at 10:05 with Dr. Lee."),
        ("On 11/23 or 2026-11-23, 10-20 minutes", "On 11/23 or 2026-11-23, 10-20 minutes"),
        # what it does not
        ("~50 of them", "about 50 of them"),
        ("Fruit, e.g. apples, i.e., food.", "Fruit, for example, apples, that is, food."),
        ("No. 1, 24/7", "number 1, 24 7"),
        ("See [the docs](https://example.com/x) now.", "See the docs now."),
        ("See https://example.com/x.", "See example dot com."),
        ("* a *bold* _claim_", "a bold claim"),
        ("1. Apples", "1, Apples"),
        ("snake_case and 3*4", "snake_case and 3*4"),
        ("![a cat](cat.png)", "a cat"),
        ("one<br>two", "one two"),
        ("> quoted", "quoted"),
        ("1,2,3 go", "1,2,3 go"),
        ("- [x] done", "done"),
        ("①Apples ②Pears", "1, Apples 2, Pears"),
        ("9:00-17:00, 20%–30%, 3:2", "9:00 to 17:00, 20% to 30%, 3 to 2"),
        ("½ or 1½ cups, 1/100", "1/2 or 1 and 1/2 cups, 1 over 100"),
        ("v1.2.3, 192.168.1.1", "v1 dot 2 dot 3, 192 dot 168 dot 1 dot 1"),
        ("mail@example.com", "mail at example dot com"),
        ("C# on .NET", "C sharp on dot NET"),
        ("2x faster, 10 m/s", "2 times faster, 10 meters per second"),
        ("50 m² of CO₂", "50 square meters of C O 2"),
        ("Jan. 5", "Jan 5"),
    ],
)
def test_english(written: str, spoken: str) -> None:
    assert speakable(written, "en") == spoken


def test_half_of_a_pair_is_no_word() -> None:
    assert speakable("**とても", "ja") == "とても"
    assert speakable("大事です**。", "ja") == "大事です。"


def test_code_is_not_read_out() -> None:
    assert speakable("```python\nprint(1)\n```", "en") == ""
    assert speakable("Look: ```\nprint(1)", "en") == "Look:"


@pytest.mark.parametrize("written", ["", "😊", "……", "---", "**", "→"])
def test_nothing_to_read(written: str) -> None:
    assert speakable(written, "ja") == ""


def test_other_languages_keep_their_signs() -> None:
    assert speakable("Il fait **25 %** ici", "fr") == "Il fait 25 % ici"


@given(st.text(max_size=60), st.sampled_from(["ja", "en", "fr"]))
def test_any_text_can_be_given(text: str, language: str) -> None:
    spoken = speakable(text, language)
    assert spoken == spoken.strip()
    assert not spoken or any(char.isalnum() for char in spoken)
