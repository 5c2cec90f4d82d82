"""How text is cut into what the Kokoro model takes at once."""

from __future__ import annotations

from kaiwa.adapters.tts_kokoro import chunks


def test_short_text_is_one_piece() -> None:
    assert list(chunks("koɴniʨiwa.")) == ["koɴniʨiwa."]


def test_long_text_is_cut_at_pauses() -> None:
    phonemes = "nagai buɴ," * 120
    pieces = list(chunks(phonemes))
    assert len(pieces) > 1
    assert all(len(piece) <= 500 and piece.endswith(",") for piece in pieces)
    assert "".join(pieces).replace(" ", "") == phonemes.replace(" ", "")


def test_text_without_a_pause_is_cut_all_the_same() -> None:
    pieces = list(chunks("a" * 1_234))
    assert [len(piece) for piece in pieces] == [500, 500, 234]


def test_no_text_is_no_piece() -> None:
    assert list(chunks("")) == []
