"""How Japanese text is read, for search: Sudachi in a child process, one for each batch of work.

A hundred megabytes while it lives and most of a second to start, but nobody waits for it. Sudachi
gives each word's likeliest reading, as it is spelled and not as it sounds, and its dictionary the
others (明日: あす, あした, みょうにち). OpenJTalk gives one, and takes a hundred times as long.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from kaiwa.adapters import child_frames, sandbox
from kaiwa.policy.search import has_han, sounded

if TYPE_CHECKING:
    from sudachipy import Morpheme

Read = Callable[[Sequence[str]], Awaitable[list[str]]]

_TEXTS: Final = b"t"
_READINGS: Final = b"a"
_MAX_FRAME: Final = 64 * 1024 * 1024
_FRAME: Final = 50_000  # characters that are sent at once; what comes back may be many times that
_ANSWER_S: Final = (
    600.0  # it takes half a second; a busy machine leaves the child a hundredth of it
)
_CHUNK: Final = 1_000  # characters; Sudachi takes 65,535 bytes at once, with ㍿ and ﷺ written out
_BEFORE, _AFTER = 2, 3  # words told around another reading
_OTHERS: Final = 3  # readings of a word besides the likeliest
_NICE: Final = 10  # a tenth of what the voices get; less, and a busy machine would never load it


@asynccontextmanager
async def reader() -> AsyncIterator[Read]:
    """Tells how texts are read, in order: in `policy.search.sounded` kana, the likeliest reading
    first, then the others with the words around them. Raises ChildFailed."""
    import asyncio

    from kaiwa.adapters.child_process import ChildFailed, ChildProcess

    child = await ChildProcess.start(__name__, max_frame=_MAX_FRAME)

    async def read(texts: Sequence[str]) -> list[str]:
        readings: list[str] = []
        try:
            for some in _frames(texts):
                async with asyncio.timeout(_ANSWER_S):
                    await child.send(child_frames.pack(_TEXTS, json.dumps(some).encode()))
                    readings += json.loads((await child.receive()).payload)
        except TimeoutError:
            raise ChildFailed(f"the reader said nothing for {_ANSWER_S:.0f} s") from None
        return readings

    try:
        yield read
    finally:
        await child.stop()


def _frames(texts: Sequence[str]) -> Iterator[list[str]]:
    some: list[str] = []
    length = 0
    for text in texts:
        if some and length + len(text) > _FRAME:
            yield some
            some, length = [], 0
        some.append(text)
        length += len(text)
    if some:
        yield some


class JapaneseReading:
    """Inside the child."""

    def __init__(self) -> None:
        from sudachipy import Dictionary, SplitMode

        self._dictionary = Dictionary(dict="core")
        self._tokenizer = self._dictionary.tokenizer(mode=SplitMode.C)
        self._others = lru_cache(16_384)(self._look_up)

    def of(self, text: str) -> str:
        words = [
            self._readings(word)
            for start in range(0, len(text), _CHUNK)
            for word in self._tokenizer.tokenize(text[start : start + _CHUNK])
        ]
        first = [readings[0] for readings in words]
        told = {"".join(first): None}
        for n, readings in enumerate(words):
            before, after = first[max(0, n - _BEFORE) : n], first[n + 1 : n + 1 + _AFTER]
            told |= {"".join([*before, other, *after]): None for other in readings[1:]}
        return " ".join(sounded(each) for each in told)

    def _readings(self, word: Morpheme) -> list[str]:
        written = word.surface()
        if written.isdigit():  # Sudachi reads 10 as one, nought
            return [written]
        likeliest = word.reading_form() or written
        if not has_han(written):
            return [likeliest]
        others = self._others(written, word.part_of_speech_id())
        return [likeliest, *(other for other in others if other != likeliest)][: 1 + _OTHERS]

    def _look_up(self, written: str, part_of_speech: int) -> list[str]:
        """Readings of one kana are left out: nobody looks for them, and they are many."""
        return list(
            dict.fromkeys(
                known.reading_form()
                for known in self._dictionary.lookup(written)
                if known.part_of_speech_id() == part_of_speech and len(known.reading_form()) > 1
            )
        )


def main() -> None:
    sandbox.die_with_parent()
    sandbox.be_nice(_NICE)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not end up among the frames
    reading = JapaneseReading()
    child_frames.write(answers, child_frames.READY)
    while frame := child_frames.read(sys.stdin.buffer):
        readings = [reading.of(text) for text in json.loads(frame[1])]
        child_frames.write(answers, _READINGS, json.dumps(readings).encode())


if __name__ == "__main__":
    main()
