"""The times of a text's words, when the text differs a little from the decode that was timed."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from kaiwa.domain.speech import Word


def timed(text: str, words: Sequence[Word]) -> tuple[Word, ...]:
    """`words`, changed so that joined they are exactly `text`.

    What `text` has in the place of a word takes that word's time; what it has on top belongs to
    the word before it, or the first.
    """
    if not words:
        return ()
    said = "".join(word.text for word in words)
    owner = [number for number, word in enumerate(words) for _ in word.text]
    texts = [""] * len(words)
    last = 0
    for tag, start, end, begin, behind in SequenceMatcher(
        None, said, text, autojunk=False
    ).get_opcodes():
        for place, character in enumerate(text[begin:behind]):
            if tag != "insert":
                last = owner[min(start + place, end - 1)]
            texts[last] += character
    return tuple(
        Word(text, word.start_ms, word.end_ms, word.probability)
        for text, word in zip(texts, words, strict=True)
        if text
    )
