"""Two people in a room, each with a microphone that hears both."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from kaiwa.domain.audio import Samples
from kaiwa.pipeline import floor
from tests.integration.house import WAIT_S, Guest, House
from tests.integration.speaking import of, speaking
from tests.sounds import silence, speech

LATE_MS = 150


def from_afar(sound: Samples) -> Samples:
    """12 dB less loud, and a little late."""
    return np.concatenate([silence(LATE_MS), sound // 4])


@pytest.mark.parametrize("near_first", [True, False])
async def test_what_a_farther_microphone_hears_too_is_said_once(
    home: House, mari: Guest, ken: Guest, near_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floor, "OTHERS_S", WAIT_S)  # however slowly the nearer one is recognised
    home.chat.replies = [["はい。"]]
    talk = await mari.new_talk(mode="hands-free")
    await mari.http.post(f"/talks/{talk}/members", json={"name": ken.name, "role": "speaker"})
    async with mari.reading(talk) as events:
        async with speaking(mari, talk) as near, speaking(ken, talk) as far:
            near.send(speech(1_500))
            far.send(from_afar(speech(1_500)))
            await events.until("speech.started")
            await events.until("speech.started")
            for microphone in (near, far) if near_first else (far, near):
                microphone.send(silence(900))
            started = await events.until("reply.started")
            await events.until("reply.finished")
        (said,) = of(events, "utterance.final")
        assert said["participant"] == mari.id
        assert started["cause"] == said["utterance_id"]
        assert home.chat.asked[-1][-1].content == said["text"]


async def test_what_two_people_say_at_once_and_as_loud_is_written_down_twice(
    home: House, mari: Guest, ken: Guest
) -> None:
    talk = await mari.new_talk()
    await mari.http.post(f"/talks/{talk}/members", json={"name": ken.name, "role": "speaker"})
    async with mari.reading(talk) as events, asyncio.TaskGroup() as tasks:
        tasks.create_task(mari.speak(talk, speech(1_500, 900)))
        tasks.create_task(ken.speak(talk, speech(1_500, 900)))
        await events.until("utterance.final")
        await events.until("utterance.final")
    assert {each["participant"] for each in of(events, "utterance.final")} == {mari.id, ken.id}
