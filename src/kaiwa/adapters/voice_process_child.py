"""The process in which voices are synthesised: requests on stdin, sound on stdout.

Requests are begun in order by AT_ONCE threads; another one reads, so that a request can be aborted
while it is being served.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from importlib import import_module
from typing import Any, BinaryIO

from kaiwa.adapters import child_frames, sandbox
from kaiwa.adapters.voice_frames import (
    ABORT,
    ABORTED,
    ANSWER,
    AT_ONCE,
    FAILED,
    NUMBER,
    SOUND,
    SPEAK,
)
from kaiwa.adapters.voice_synthesis import Abort, Aborted, Synthesiser, has_words
from kaiwa.ports.tts import Prosody

NICENESS = 10  # recognition first: two clauses at once take both cores, and words may stop a reply

_SYNTHESISERS = {
    "kokoro": ("kaiwa.adapters.tts_kokoro", "KokoroSynthesiser"),
    "openjtalk": ("kaiwa.adapters.tts_openjtalk", "OpenJTalkSynthesiser"),
    "hibari": ("kaiwa.adapters.tts_hibari", "HibariSynthesiser"),
}


class _Requests:
    """What the parent asked for, in order; aborts overtake."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: queue.SimpleQueue[tuple[bytes, dict[str, Any], Abort]] = queue.SimpleQueue()
        self._aborts: dict[int, Abort] = {}

    def read(self) -> None:
        """In the main thread. The end of stdin is the parent's end, and so ours, at once."""
        while frame := child_frames.read(self._stream):
            kind, payload = frame
            content = json.loads(payload)
            if kind == ABORT:
                if abort := self._aborts.get(content):
                    abort.request()
                continue
            abort = self._aborts[content["number"]] = Abort()
            self._waiting.put((kind, content, abort))
        os._exit(0)

    def next(self) -> tuple[bytes, dict[str, Any], Abort]:
        return self._waiting.get()

    def done(self, number: int) -> None:
        del self._aborts[number]


class _Engines:
    """Each is loaded when it is first asked for."""

    def __init__(self) -> None:
        self._locks = {name: threading.Lock() for name in _SYNTHESISERS}
        self._loaded: dict[str, Synthesiser] = {}

    def get(self, name: str) -> Synthesiser:
        with self._locks[name]:
            if name not in self._loaded:
                module, synthesiser = _SYNTHESISERS[name]
                self._loaded[name] = getattr(import_module(module), synthesiser)()
            return self._loaded[name]


def main() -> None:
    sandbox.die_with_parent()
    sandbox.be_nice(NICENESS)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not end up among the frames
    requests, engines, writing = _Requests(sys.stdin.buffer), _Engines(), threading.Lock()

    def serve() -> None:
        try:
            while True:
                kind, request, abort = requests.next()
                kind, payload = _answer(engines, kind, request, abort)
                requests.done(request["number"])
                with writing:
                    child_frames.write(answers, kind, NUMBER.pack(request["number"]) + payload)
        except BaseException:
            traceback.print_exc()
            os._exit(1)  # half a child would leave the parent waiting

    child_frames.write(answers, child_frames.READY)
    for _ in range(AT_ONCE):
        threading.Thread(target=serve, name="serving", daemon=True).start()
    requests.read()


def _answer(
    engines: _Engines, kind: bytes, request: dict[str, Any], abort: Abort
) -> tuple[bytes, bytes]:
    """Serve one request: (kind, payload) of the answer."""
    engine = request["engine"]
    try:
        synthesiser = engines.get(engine)
        if kind != SPEAK or not has_words(request["text"]):
            return ANSWER, SOUND.pack(24_000)
        prosody = Prosody(request["speed"], request["pitch"])
        speech = synthesiser.speak(request["voice"], request["text"], prosody, abort)
    except Aborted:
        return ABORTED, b""
    except (ImportError, LookupError, OSError, RuntimeError, ValueError) as failure:
        # only the kind of failure: its message may hold the text that was to be spoken
        return FAILED, f"The voice {engine} failed ({type(failure).__name__}).".encode()
    return ANSWER, SOUND.pack(speech.rate) + speech.pcm.astype("<i2").tobytes()


if __name__ == "__main__":
    main()
