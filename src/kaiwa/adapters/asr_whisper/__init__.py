"""Whisper on CTranslate2, embedded.

`engine` runs one decode, `guards` judges it, `transcriber` makes text of a segment with both,
`scheduler` says whose turn it is, `segment` and `recogniser` are the port.
"""

from kaiwa.adapters.asr_whisper.recogniser import WhisperRecogniser

__all__ = ["WhisperRecogniser"]
