"""Whisper, embedded.

`engine` is what one decode is, `onnx_engine` (of `weights` and `graphs`) runs it on processors and
`ctranslate2_engine` on a GPU, `alignment` times its words; `guards` judges it, `transcriber` makes
text of a segment with both, `scheduler` says whose turn it is, `segment` and `recogniser` are the
port.
"""

from kaiwa.adapters.asr_whisper.engine import LANGUAGES
from kaiwa.adapters.asr_whisper.recogniser import WhisperRecogniser

__all__ = ["LANGUAGES", "WhisperRecogniser"]
