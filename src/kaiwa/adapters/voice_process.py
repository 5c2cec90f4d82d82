"""The one child process in which every server voice runs, and the queue in front of it.

A synthesis takes a whole core for up to some seconds and the models hundreds of megabytes; here
neither touches the server's event loop. Calls are begun in order, AT_ONCE at a time; one that is no
longer wanted is dropped, and stopped in the middle where the engine can (Kokoro: in 10 ms). A child
that dies fails the calls it was at, and is started again for the next.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_dir

from kaiwa.adapters import child_frames
from kaiwa.adapters.child_process import ChildFailed, ChildProcess, Frame
from kaiwa.adapters.voice_frames import (
    ABORT,
    ABORTED,
    ANSWER,
    AT_ONCE,
    FAILED,
    LOAD,
    NUMBER,
    SOUND,
    SPEAK,
)
from kaiwa.domain.audio import Speech
from kaiwa.errors import VoiceDown
from kaiwa.ports.tts import Prosody, Voice

ANSWER_S = 60.0  # loading from a cold disk, or a very long clause; more is a hang
MAX_WAITING = 64  # calls; further callers wait for a place
_CHILD = "kaiwa.adapters.voice_process_child"
_MAX_FRAME = 64 * 1024 * 1024  # eleven minutes at 48 kHz
_KOKORO_CACHE = "KOKORO_JA_CACHE"


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    kind: bytes
    request: dict[str, Any]
    answer: asyncio.Future[Speech] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class VoiceProcess:
    """Shared by the engines; whoever made it closes it."""

    def __init__(self) -> None:
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(MAX_WAITING)
        self._workers: list[asyncio.Task[None]] = []
        self._starting = asyncio.Lock()
        self._child: ChildProcess | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answers: dict[int, asyncio.Future[Frame | ChildFailed]] = {}
        self._current: dict[_Job, int] = {}
        self._numbers = 0
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The child's, while there is one."""
        return self._child.pid if self._child else None

    async def load(self, engine: str) -> None:
        """Load what the engine needs. Raises VoiceDown."""
        await self._call(_Job(LOAD, {"engine": engine}))

    async def speak(self, voice: Voice, text: str, prosody: Prosody) -> Speech:
        """See `ports.tts.VoiceEngine.speak`. Raises VoiceDown."""
        name = voice.id.removeprefix(f"{voice.engine}:")
        request = {"engine": voice.engine, "voice": name, "text": text, **asdict(prosody)}
        return await self._call(_Job(SPEAK, request))

    async def close(self) -> None:
        """End the child; calls that wait raise VoiceDown."""
        self._closed = True
        if self._workers:
            for worker in self._workers:
                worker.cancel()
            await asyncio.wait(self._workers)
        await self._stop_child(self._child)
        while not self._jobs.empty():
            _fail(self._jobs.get_nowait(), "The voices are shut down.")
            await asyncio.sleep(0)  # who waited for its place takes it

    async def _call(self, job: _Job) -> Speech:
        if self._closed:
            raise VoiceDown("The voices are shut down.")
        self._workers = [worker for worker in self._workers if not worker.done()]
        while len(self._workers) < AT_ONCE:
            self._workers.append(asyncio.create_task(self._serve(), name="voices"))
        await self._jobs.put(job)
        try:
            return await job.answer
        except asyncio.CancelledError:
            self._abort(job)
            raise

    def _abort(self, job: _Job) -> None:
        if self._child and job in self._current:
            number = self._current[job]
            self._child.send_soon(child_frames.pack(ABORT, json.dumps(number).encode()))

    async def _serve(self) -> None:
        while True:
            job = await self._jobs.get()
            if not job.answer.done():  # its caller may have gone while it waited
                await self._serve_one(job)

    async def _serve_one(self, job: _Job) -> None:
        try:
            speech = await self._exchange(job)
        except ChildFailed as failure:
            _fail(job, f"The voice failed: {failure}.")
        except TimeoutError:
            _fail(job, f"The voice did not answer in {ANSWER_S:.0f} s.")
        except VoiceDown as failure:
            _fail(job, str(failure))
        except BaseException:
            _fail(job, "The voices are shut down.")
            raise
        else:
            if not job.answer.done():
                job.answer.set_result(speech)

    async def _exchange(self, job: _Job) -> Speech:
        """Raises ChildFailed, TimeoutError, and VoiceDown when the engine refused."""
        child = await self._running()
        self._numbers += 1
        number = self._current[job] = self._numbers
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        request = json.dumps({"number": number} | job.request).encode()
        try:
            async with asyncio.timeout(ANSWER_S):
                await child.send(child_frames.pack(job.kind, request))
                frame = await answer
            if isinstance(frame, ChildFailed):
                raise frame
        except (ChildFailed, TimeoutError):
            await self._stop_child(child)
            raise
        finally:
            del self._current[job], self._answers[number]
        payload = frame.payload[NUMBER.size :]
        if frame.kind == ANSWER:
            (rate,) = SOUND.unpack_from(payload)
            return Speech(np.frombuffer(payload, "<i2", offset=SOUND.size), rate)
        if frame.kind == ABORTED:
            raise VoiceDown("The clause was no longer wanted.")
        raise VoiceDown(payload.decode(errors="replace"))

    async def _running(self) -> ChildProcess:
        """Raises ChildFailed."""
        async with self._starting:
            child = self._child
            if child is None or not child.alive:
                await self._stop_child(child)
                child = self._child = await ChildProcess.start(
                    _CHILD, max_frame=_MAX_FRAME, environment=_environment()
                )
                self._reading = asyncio.create_task(self._read(child), name="voices read")
            return child

    async def _read(self, child: ChildProcess) -> None:
        """Hand each answer to who waits for it; what the child's end is, to all."""
        try:
            while True:
                frame = await child.receive()
                if frame.kind not in (ANSWER, FAILED, ABORTED):
                    raise ChildFailed("it gave an unknown answer")
                answer = self._answers.get(NUMBER.unpack_from(frame.payload)[0])
                if answer is not None and not answer.done():
                    answer.set_result(frame)
        except ChildFailed as failure:
            self._fail_answers(failure)

    async def _stop_child(self, child: ChildProcess | None) -> None:
        """Nothing where another one runs by now."""
        if child is None or child is not self._child:
            return
        self._child, reading = None, self._reading
        self._fail_answers(ChildFailed("it was stopped"))
        if reading is not None:
            reading.cancel()
            await asyncio.wait([reading])
        await child.stop()

    def _fail_answers(self, failure: ChildFailed) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(failure)


def _fail(job: _Job, reason: str) -> None:
    if not job.answer.done():
        job.answer.set_exception(VoiceDown(reason))


def _environment() -> dict[str, str]:
    cache = os.environ.get(_KOKORO_CACHE) or str(Path(user_cache_dir("kaiwa")) / "kokoro")
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {_KOKORO_CACHE: cache} | one_thread
