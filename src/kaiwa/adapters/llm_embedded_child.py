"""The child process that holds llama.cpp: `python -m kaiwa.adapters.llm_embedded_child`.

One JSON line on stdin says what to load and the API key to ask for; one JSON line on stdout says
where it listens. It lives until stdin ends, which is when its parent closes it or dies.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from typing import Any

from kaiwa.adapters import sandbox

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_ERRORS_ONLY = 1  # llama.cpp's log level
NICENESS = 15  # recognition and the voice come first: the reader is ahead of the listener anyway


@dataclass(frozen=True, slots=True)
class ChildConfig:
    """What the parent wants; `context` is in tokens, for each slot.

    `threads` write the reply, word by word, while others want the processor; `prompt_threads` read
    the prompt, which is when somebody waits.
    """

    model: str
    alias: str
    threads: int
    prompt_threads: int
    slots: int
    context: int
    batch: int
    api_key: str

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def main() -> None:
    """Serve until the parent is gone."""
    _die_with_parent()
    config = ChildConfig(**json.loads(sys.stdin.buffer.readline()))
    sandbox.be_nice(NICENESS)
    threading.Thread(target=_exit_at_eof, daemon=True).start()
    handshake = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever llama.cpp prints must not fill the pipe that nobody reads
    import xllamacpp

    server = xllamacpp.Server(_params(xllamacpp, config))
    with handshake:
        print(json.dumps({"url": server.listening_address}), file=handshake)
    threading.Event().wait()


def _params(xllamacpp: Any, config: ChildConfig) -> Any:
    """Settings of llama.cpp's server (`common_params`)."""
    params = xllamacpp.CommonParams()
    params.model.path = config.model
    params.model_alias = {config.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [config.api_key]
    params.ui = False
    params.verbosity = _ERRORS_ONLY
    params.n_parallel = config.slots
    params.n_ctx = config.context * config.slots
    params.n_batch = params.n_ubatch = config.batch
    params.cpuparams.n_threads = config.threads
    params.cpuparams_batch.n_threads = config.prompt_threads
    # Each slot keeps the prompt of its own talk. The cache shared by all slots stays off: it can
    # put one conversation's state under another's prompt (ggml-org/llama.cpp#27148).
    params.cache_prompt = True
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    return params


def _die_with_parent() -> None:
    """Be killed when the parent is (Linux); elsewhere the end of stdin has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _exit_at_eof() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)  # llama.cpp may be inside a long batch: nothing here is worth waiting for


if __name__ == "__main__":
    main()
