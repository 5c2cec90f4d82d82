"""What a talk's prompt keeps of words that were cut from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from kaiwa.domain.ids import TalkId


class Summaries(Protocol):
    """Of each talk's blocks, by the digest of the block's words; they are erased with any of
    them. Raises DatabaseDown."""

    async def of(self, talk: TalkId) -> Mapping[str, str]:
        """Digest -> summary."""

    async def put(
        self, talk: TalkId, digest: str, text: str, *, erasures: int, wanted: Collection[str]
    ) -> None:
        """Keep a summary, and of the others those that are `wanted`.

        Nothing is kept if words of the talk were erased since there were `erasures`
        (`EventLog.erasures`), or the talk was deleted: the summary may hold some of them.
        """
