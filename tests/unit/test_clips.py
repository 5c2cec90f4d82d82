"""Sound that was dropped is spoken again as it was."""

from __future__ import annotations

from kaiwa.adapters.memory.tts import ToneVoices
from kaiwa.domain.audio import Speech
from kaiwa.domain.events import ReplyClause
from kaiwa.domain.ids import ClipId, TalkId
from kaiwa.pipeline.clips import Clips
from kaiwa.pipeline.voices import VoiceBook
from kaiwa.ports.clip_store import Clip, ClipFormat
from kaiwa.ports.tts import ANY_LANGUAGE
from tests.fakes.hearing import Hearing

CLIP = ClipId("clip")
LATE = "10:30です。"


class Dropped:
    """`ports.clip_store.ClipStore` of one clip whose sound was dropped."""

    def __init__(self, voice: str) -> None:
        self.speech: Speech | None = None
        self._voice = voice

    async def put(self, talk: TalkId, voice: str, speech: Speech, clip: ClipId) -> None:
        self.speech = speech

    async def find(self, talk: TalkId, clip: ClipId, media_type: ClipFormat) -> Clip | None:
        return Clip(media_type, b"") if self.speech else None

    async def voice(self, talk: TalkId, clip: ClipId) -> str | None:
        return self._voice


async def spoken_again(language: str, speed: float) -> tuple[list[str], int]:
    """What the engine is asked to say, and how long it takes."""
    hearing = await Hearing().begin()
    claim = await hearing.log.claim_reply(hearing.talk.id, cause="x", owner="me", name="AI")
    clause = ReplyClause(reply_id=claim.reply_id, index=0, text=LATE, start=0, end=8, clip=CLIP)
    await hearing.log.append(hearing.talk.id, clause)
    engine = ToneVoices(language)
    store = Dropped(f"tone:{language}")
    talk = hearing.talk.model_copy(update={"voice_speed": speed})
    await Clips(store, hearing.log, VoiceBook([engine])).get(talk, CLIP, "audio/wav")
    assert store.speech is not None
    return engine.spoken, store.speech.duration_ms


async def test_a_voice_of_any_language_reads_the_text_as_it_did() -> None:
    spoken, _ = await spoken_again(ANY_LANGUAGE, 1.0)
    assert spoken == ["10時30分です。"]


async def test_it_speaks_as_fast_as_the_talk_wants_it() -> None:
    _, slow = await spoken_again("ja", 1.0)
    _, fast = await spoken_again("ja", 2.0)
    assert fast == slow // 2
