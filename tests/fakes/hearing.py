"""A talk that is listened to without a model or a database, and uploads made by hand."""

from __future__ import annotations

import asyncio
import io
import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from kaiwa.adapters.memory.asr import EnergyVoiceActivity, FakeRecogniser
from kaiwa.adapters.memory.event_log import MemoryEventLog
from kaiwa.adapters.memory.talks import MemoryTalks
from kaiwa.domain.audio import SAMPLE_RATE, Samples, Speech
from kaiwa.domain.events import UtteranceFinal
from kaiwa.domain.ids import CaptureId, ClipId, TalkId, UserId
from kaiwa.domain.talk import Talk, TalkSettings, User
from kaiwa.errors import KaiwaError
from kaiwa.pipeline.floor import Attendance
from kaiwa.pipeline.ingest import BrokenOff
from kaiwa.pipeline.listen import Ears
from kaiwa.ports.clip_store import Clip, ClipFormat
from kaiwa.ports.turn import TurnDetector

MARI = User(id=UserId("mari"), name="まり")
KEN = User(id=UserId("ken"), name="Ken")
CAPTURE = CaptureId("capture-1")


class NoClips:
    """`ports.clip_store.ClipStore` that keeps nothing."""

    async def put(self, talk: TalkId, voice: str, speech: Speech, clip: ClipId) -> None:
        return None

    async def find(self, talk: TalkId, clip: ClipId, media_type: ClipFormat) -> Clip | None:
        return None

    async def voice(self, talk: TalkId, clip: ClipId) -> str | None:
        return None


class WatchedLog(MemoryEventLog):
    """`refused` is set when somebody met the database while it was down."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = asyncio.Event()

    def _up(self) -> None:
        if self.down:
            self.refused.set()
        super()._up()


class Hearing:
    """A talk of Mari's, everything that listening needs, and what its readers see."""

    def __init__(self) -> None:
        self.log = WatchedLog()
        self.talks = MemoryTalks(self.log)
        self.talks.add_user(MARI)
        self.talks.add_user(KEN)
        self.recogniser = FakeRecogniser()
        self.turn: TurnDetector | None = None
        self.attendance: Attendance
        self.seen: list[dict[str, Any]] = []
        self.voices = 0
        """How often somebody was heard speaking."""
        self.talk: Talk
        self._payloads: asyncio.Queue[str] = asyncio.Queue()

    async def begin(self) -> Hearing:
        self.talk = await self.talks.create(MARI, TalkSettings(language="ja"), None)
        self.attendance = Attendance(self.talk, NoClips())
        await self.log.listen(self.talk.id, self._payloads.put_nowait)
        return self

    @property
    def ears(self) -> Ears:
        def on_voice() -> None:
            self.voices += 1

        return Ears(
            self.log,
            self.talks,
            self.recogniser,
            EnergyVoiceActivity,
            self.attending,
            self.turn,
            on_voice,
        )

    @asynccontextmanager
    async def attending(self, talk: Talk) -> AsyncIterator[Attendance]:
        yield self.attendance

    async def until(self, kind: str, **values: Any) -> dict[str, Any]:
        """The next event of that type, and with those values, that readers see; hints and
        strangers' payloads are none."""
        while True:
            event = json.loads(await self._payloads.get())
            if isinstance(event, dict) and "type" in event:
                self.seen.append(event)
                if event.items() >= {"type": kind, **values}.items():
                    return event

    async def finals(self) -> list[UtteranceFinal]:
        events = [recorded.event for recorded in await self.log.read(self.talk.id, 0)]
        return [event for event in events if isinstance(event, UtteranceFinal)]

    async def texts(self) -> list[str]:
        return [final.text for final in await self.finals()]

    async def offset(self, capture: CaptureId = CAPTURE) -> int:
        return (await self.log.capture(self.talk.id, capture)).offset


class Upload:
    """The body of an upload, sent piece by piece."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | KaiwaError | None] = asyncio.Queue()
        self.left = asyncio.Event()
        """Set when nobody reads it any more."""

    def send(self, data: bytes | Samples) -> None:
        self._pieces.put_nowait(data if isinstance(data, bytes) else data.tobytes())

    def end(self) -> None:
        self._pieces.put_nowait(None)

    def break_off(self) -> None:
        self._pieces.put_nowait(BrokenOff("the connection is gone"))

    async def body(self) -> AsyncIterator[bytes]:
        try:
            while (piece := await self._pieces.get()) is not None:
                if isinstance(piece, KaiwaError):
                    raise piece
                yield piece
        finally:
            self.left.set()


def wav(samples: Samples) -> bytes:
    """As `PassThroughDecoder` reads it."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(samples.tobytes())
    return file.getvalue()
