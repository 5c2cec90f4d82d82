"""Who speaks a reply, what is kept of it, and what is made in advance."""

from __future__ import annotations

import asyncio

import numpy as np

from kaiwa.adapters.memory.tts import ToneVoices
from kaiwa.domain.audio import Speech
from kaiwa.domain.talk import TalkSettings
from kaiwa.pipeline.clip_cache import ClipCache
from kaiwa.pipeline.openers import OPENERS, Openers
from kaiwa.pipeline.voices import Speaker, VoiceBook
from kaiwa.policy.clauses import ClauseSplitter
from kaiwa.policy.opening import OPENINGS
from kaiwa.policy.speakable import speakable
from kaiwa.ports.tts import PLAIN, Prosody, Voice


def talk(voice: str = "auto", speed: float = 1.0, pitch: float = 0.0) -> TalkSettings:
    return TalkSettings(language="ja", voice=voice, voice_speed=speed, voice_pitch=pitch)


async def test_the_chosen_voice_speaks_and_else_the_usual_one() -> None:
    first, second = ToneVoices(name="first"), ToneVoices(name="second")
    book = VoiceBook([first, second])
    for setting, who in (("second:ja", "second:ja"), ("auto", "first:ja"), ("gone:x", "first:ja")):
        spoken = await Speaker(book, talk(setting)).speak("はい。", "はい。")
        assert spoken is not None and spoken[0] == who
    for setting in ("browser", "none"):
        assert await Speaker(book, talk(setting)).speak("はい。", "はい。") is None


async def test_a_voice_that_fails_falls_back_to_its_language_and_says_so_once() -> None:
    english, first, second = ToneVoices("en", "en"), ToneVoices(), ToneVoices(name="other")
    book = VoiceBook([english, first, second])
    speaker = Speaker(book, talk("tone:ja"))
    before = await speaker.speak("はい。", "はい。")
    first.down = True
    after = [await speaker.speak(text, "はい。") for text in ("そうです。", "ええ。")]
    assert before is not None and before[0] == "tone:ja"
    assert [spoken and spoken[0] for spoken in after] == ["other:ja", "other:ja"]
    assert [notice.code for notice in speaker.take_notices()] == ["voice_changed"]
    assert speaker.take_notices() == []


async def test_with_no_voice_left_the_reply_goes_on_as_text() -> None:
    tones, english = ToneVoices(), ToneVoices("en", "en")
    tones.down = True
    speaker = Speaker(VoiceBook([tones, english]), talk())
    assert await speaker.speak("はい。", "はい。") is None
    assert await speaker.speak("ええ。", "はい。ええ。") is None
    assert [notice.code for notice in speaker.take_notices()] == ["voice_down"]


async def test_a_failed_voice_has_another_chance_in_the_next_reply() -> None:
    tones = ToneVoices()
    book = VoiceBook([tones])
    tones.down = True
    assert await Speaker(book, talk()).speak("はい。", "はい。") is None
    tones.down = False
    assert await Speaker(book, talk()).speak("はい。", "はい。") is not None


async def test_what_was_said_before_is_not_made_again() -> None:
    tones = ToneVoices()
    book = VoiceBook([tones])
    for settings in (talk(), talk(), talk(speed=1.5), talk(pitch=2.0)):
        await Speaker(book, settings).speak("はい。", "はい。")
    assert tones.spoken == ["はい。"] * 3


async def test_code_is_not_spoken() -> None:
    speaker = Speaker(VoiceBook([ToneVoices()]), talk())
    assert await speaker.speak("```\nx = 1\n```", "```\nx = 1\n```") is None
    assert speaker.take_notices() == []


def test_the_cache_forgets_what_was_not_used_for_longest() -> None:
    speech = Speech(np.zeros(50, np.int16), 24_000)  # 100 bytes
    cache = ClipCache(max_bytes=250)
    cache.put("a", speech)
    cache.put("b", speech)
    cache.put("b", speech)
    assert cache.get("a") is speech
    cache.put("c", speech)
    assert ("a" in cache, "b" in cache, "c" in cache) == (True, False, True)


def test_openers_are_what_the_splitter_cuts_and_a_voice_reads() -> None:
    for language, openers in OPENERS.items():
        rest = "それは、いいですね。" if language == "ja" else " that is a nice idea."
        for opener in openers:
            assert speakable(opener, language) == opener
            if opener in OPENINGS[language]:  # it is a clause by itself
                continue
            cut = ClauseSplitter().feed(opener + rest)
            assert cut[0].text == opener


class UsualTones(ToneVoices):
    """The usual Japanese voice, as a tone."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "kokoro"
        self.voices = (Voice("kokoro:jf_alpha", "Tone", "ja", "kokoro", "none", pitch=True),)
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.began = asyncio.Event()
        self.all_made = asyncio.Event()

    async def speak(self, text: str, voice: Voice, prosody: Prosody = PLAIN) -> Speech:
        self.began.set()
        await self.go_on.wait()
        speech = await super().speak(text, voice, prosody)
        if len(self.spoken) == len(OPENERS["ja"]):
            self.all_made.set()
        return speech


async def test_openers_are_made_at_idle() -> None:
    tones = UsualTones()
    book = VoiceBook([tones])
    task = asyncio.create_task(Openers(book, quiet_s=0).run())
    async with asyncio.timeout(20):
        await tones.all_made.wait()
    assert tuple(tones.spoken) == OPENERS["ja"]
    task.cancel()


async def test_an_opener_is_dropped_when_somebody_speaks_and_made_later() -> None:
    tones = UsualTones()
    tones.go_on.clear()
    book = VoiceBook([tones])
    task = asyncio.create_task(Openers(book, quiet_s=0).run())
    async with asyncio.timeout(20):
        await tones.began.wait()
        tones.began.clear()
        book.disturb()
        await tones.began.wait()  # it tried again
        assert tones.spoken == []
        tones.go_on.set()
        await tones.all_made.wait()
    assert tuple(tones.spoken) == OPENERS["ja"]
    task.cancel()


async def test_nothing_is_made_before_it_has_been_quiet() -> None:
    tones = UsualTones()
    task = asyncio.create_task(Openers(VoiceBook([tones]), quiet_s=60).run())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not tones.began.is_set()
    task.cancel()


async def test_nothing_is_made_in_advance_while_a_reply_is() -> None:
    tones = UsualTones()
    book = VoiceBook([tones])
    task = asyncio.create_task(Openers(book, quiet_s=0).run())
    with book.speaking(talk()):
        for _ in range(20):
            await asyncio.sleep(0)
        assert not tones.began.is_set()
    async with asyncio.timeout(20):
        await tones.all_made.wait()
    task.cancel()
