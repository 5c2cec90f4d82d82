"""The voices a server offers, and how a talk's voice is set."""

from __future__ import annotations

import io
import wave

from kaiwa.adapters.tts_voicevox import VoicevoxVoices
from tests.fakes.voice_servers import FakeVoicevox
from tests.integration.house import Guest, House


async def test_the_voices_are_listed_with_what_they_can(home: House, mari: Guest) -> None:
    (voice,) = (await mari.http.get("/voices")).json()["voices"]
    assert voice == {
        "id": "tone:ja",
        "name": "Tone",
        "language": "ja",
        "engine": "tone",
        "licence": "none",
        "speed": True,
        "pitch": True,
        "sample": "/voices/tone:ja/sample",
    }


async def test_a_sample_is_made_once_and_for_who_is_signed_in(home: House, mari: Guest) -> None:
    path = "/voices/tone:ja/sample"
    for _ in range(2):
        sample = await mari.http.get(path)
        assert sample.headers["content-type"] == "audio/wav"
        with wave.open(io.BytesIO(sample.content)) as sound:
            assert sound.getnframes() > sound.getframerate()
    assert len(home.tones.spoken) == 1
    usual = len(sample.content)
    fast = await mari.http.get(path, params={"speed": 2, "pitch": 3})
    assert len(fast.content) < 0.6 * usual
    assert (await mari.http.get(path, params={"speed": 3})).status_code == 422
    async with home.client() as nobody:
        assert (await nobody.get(path)).status_code == 401
    assert (await mari.http.get("/voices/tone:xx/sample")).status_code == 404


async def test_a_voice_server_that_was_away_at_the_start_is_met_later(
    home: House, mari: Guest
) -> None:
    book = home.services.voices
    before = book.engines
    async with FakeVoicevox.run() as server:
        voicevox = VoicevoxVoices(server.url)
        book.engines = (*before, voicevox)
        try:
            server.broken = True
            assert len((await mari.http.get("/voices")).json()["voices"]) == len(before)
            server.broken = False
            names = [v["name"] for v in (await mari.http.get("/voices")).json()["voices"]]
            assert "ずんだもん（ノーマル）" in names
            sample = await mari.http.get("/voices/voicevox:3/sample")
            assert sample.content.startswith(b"RIFF")
        finally:
            book.engines = before
            await voicevox.close()


async def test_a_talk_sets_how_its_voice_speaks(home: House, mari: Guest) -> None:
    home.chat.replies = [["はい、元気です。"]]
    talk = await mari.new_talk()
    lengths = []
    for speed in (1.0, 2.0):
        changed = await mari.http.patch(f"/talks/{talk}", json={"voice_speed": speed})
        assert changed.json()["voice_speed"] == speed
        async with mari.reading(talk, changed.json()["seq"]) as events:
            await mari.http.post(f"/talks/{talk}/reply")
            lengths.append((await events.until("reply.clause"))["duration_ms"])
            await events.until("reply.finished")
    assert lengths[0] == 2 * lengths[1]
    told = [e for e in await mari.events(talk) if e["type"] == "talk.updated"]
    assert [e["settings"] for e in told] == [{"voice_speed": "2.0"}]
    for wrong in ({"voice_speed": 9}, {"voice_pitch": 13}, {"voice_speed": "fast"}):
        assert (await mari.http.patch(f"/talks/{talk}", json=wrong)).status_code in (400, 422)
