"""The process in which voices are synthesised: requests on stdin, sound on stdout.

Requests are served in order by the main thread; a second thread reads, so that a request can be
aborted while it is being served.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from importlib import import_module
from typing import Any, BinaryIO

from kaiwa.adapters import child_frames, sandbox
from kaiwa.adapters.voice_frames import ABORT, ABORTED, ANSWER, FAILED, SOUND, SPEAK
from kaiwa.adapters.voice_synthesis import Abort, Aborted, Synthesiser, has_words
from kaiwa.ports.tts import Prosody

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
        """The reading thread. The end of stdin is the parent's end, and so ours, at once."""
        while frame := child_frames.read(self._stream):
            kind, payload = frame
            content = json.loads(payload)
            if kind == ABORT:
                if abort := self._aborts.get(content):
                    abort.request()
                continue
            number = content["number"]
            # the parent waits for each answer, so earlier requests are done with
            self._aborts = {number: Abort()}
            self._waiting.put((kind, content, self._aborts[number]))
        os._exit(0)

    def next(self) -> tuple[bytes, dict[str, Any], Abort]:
        return self._waiting.get()


def main() -> None:
    sandbox.die_with_parent()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not end up among the frames
    requests = _Requests(sys.stdin.buffer)
    threading.Thread(target=requests.read, name="requests", daemon=True).start()
    child_frames.write(answers, child_frames.READY)
    loaded: dict[str, Synthesiser] = {}
    while True:
        kind, request, abort = requests.next()
        answer = _answer(loaded, kind, request, abort)
        child_frames.write(answers, *answer)


def _answer(
    loaded: dict[str, Synthesiser], kind: bytes, request: dict[str, Any], abort: Abort
) -> tuple[bytes, bytes]:
    """Serve one request: (kind, payload) of the answer."""
    engine = request["engine"]
    try:
        if engine not in loaded:
            module, name = _SYNTHESISERS[engine]
            loaded[engine] = getattr(import_module(module), name)()
        if kind != SPEAK or not has_words(request["text"]):
            return ANSWER, SOUND.pack(24_000)
        prosody = Prosody(request["speed"], request["pitch"])
        speech = loaded[engine].speak(request["voice"], request["text"], prosody, abort)
    except Aborted:
        return ABORTED, b""
    except (ImportError, LookupError, OSError, RuntimeError, ValueError) as failure:
        # only the kind of failure: its message may hold the text that was to be spoken
        return FAILED, f"The voice {engine} failed ({type(failure).__name__}).".encode()
    return ANSWER, SOUND.pack(speech.rate) + speech.pcm.astype("<i2").tobytes()


if __name__ == "__main__":
    main()
