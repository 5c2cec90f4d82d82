"""A talk's turns as a table: what happens at which second, and what is decided."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kaiwa.domain.events import (
    Durable,
    Ephemeral,
    Internal,
    ReplyClause,
    ReplyFinished,
    ReplyPlayed,
    ReplyStarted,
    SpeechEnded,
    SpeechStarted,
    TurnSignal,
    UtteranceFinal,
    UtterancePartial,
)
from kaiwa.domain.ids import TalkId
from kaiwa.domain.talk import Mode, Role, Talk
from kaiwa.policy.turn_decisions import Commit, Cut, Decision, Discard, Speculate
from kaiwa.policy.turns import Turns

QUESTION = "今日の天気はどうですか？"
ROUNDING_S = 1e-9


class Table:
    """A talk whose clock is moved by hand; Mari has the capture `m`, Ken has `k`."""

    def __init__(self, mode: Mode = Mode.HANDS_FREE, agent: str = "みみ") -> None:
        self.turns = Turns(
            Talk(
                id=TalkId("t"),
                created_at=datetime.now(UTC),
                seq=0,
                role=Role.OWNER,
                mode=mode,
                agent_name=agent,
            )
        )
        self.now = 100.0
        self.decided: list[Decision] = []
        self.spoken = 0
        self.replies = 0

    def at(self, seconds: float) -> Table:
        """Let that time pass, deciding whenever it is due."""
        until = self.now + seconds
        while (due := self.turns.due()) is not None and due <= until:
            self.now = max(self.now, due)
            before = len(self.decided)
            self._decide()
            if len(self.decided) == before and self.turns.due() == due:
                break
        self.now = until
        self._decide()
        return self

    def tell(self, event: Durable | Ephemeral | Internal) -> Table:
        self.turns.observe(event, self.now)
        self._decide()
        return self

    def _decide(self) -> None:
        self.decided += self.turns.decide(self.now)
        due = self.turns.due()
        assert due is None or due >= self.now - ROUNDING_S, "it would be asked over and over"

    def taken(self, *kinds: type) -> list[Any]:
        """What was decided since the last look, of those kinds (all but prefills)."""
        taken = [
            d for d in self.decided if isinstance(d, kinds or (Speculate, Discard, Commit, Cut))
        ]
        self.decided.clear()
        return taken

    def starts(self, who: str = "m") -> Table:
        return self.tell(SpeechStarted(participant=who, capture=who))

    def pauses(self, text: str, who: str = "m", score: float | None = None) -> Table:
        self.tell(signal("paused", who, text=text, silence_ms=200))
        return self if score is None else self.tell(signal("judged", who, score=score))

    def resumes(self, who: str = "m") -> Table:
        return self.tell(signal("resumed", who))

    def ends(self, text: str, who: str = "m") -> Table:
        """The segment ends and its final comes."""
        self.tell(SpeechEnded(participant=who, capture=who))
        return self.final(text, who)

    def final(self, text: str, who: str | None = "m") -> Table:
        self.spoken += 1
        return self.tell(said(f"u-{self.spoken}", text, who))

    def says(self, text: str, who: str = "m", score: float | None = 0.9) -> Table:
        return self.starts(who).at(1).pauses(text, who, score).at(0.2).ends(text, who)

    def replies_with(self, *texts: str, ms: int = 2_000) -> Table:
        """A reply is started, and its clauses come."""
        self.replies += 1
        self.tell(ReplyStarted(reply_id=self.reply, generation=1, cause="c", name="AI"))
        for n, text in enumerate(texts):
            self.tell(
                ReplyClause(
                    reply_id=self.reply,
                    index=n,
                    text=text,
                    start=0,
                    end=0,
                    clip="c",
                    duration_ms=ms,
                )
            )
        return self

    @property
    def reply(self) -> str:
        return f"r-{self.replies}"

    def finishes(self) -> Table:
        return self.tell(ReplyFinished(reply_id=self.reply, status="complete", text=""))

    def plays(self, clause: int, ms: int, user: str = "m") -> Table:
        return self.tell(
            ReplyPlayed(reply_id=self.reply, listener=user, user=user, clause=clause, ms=ms)
        )


def signal(kind: Any, who: str, **values: Any) -> TurnSignal:
    return TurnSignal(signal=kind, participant=who, capture=who, **values)


def said(utterance: str, text: str, who: str | None) -> UtteranceFinal:
    return UtteranceFinal(
        utterance_id=utterance,
        participant=who or "m",
        name="まり",
        text=text,
        language="ja",
        started_ms=0,
        ended_ms=0,
        capture=who,
    )


def partial(text: str, who: str = "m", stable: str = "") -> UtterancePartial:
    return UtterancePartial(
        utterance_id="u",
        participant=who,
        name="まり",
        capture=who,
        started_ms=0,
        revision=1,
        stable=stable,
        tentative=text,
    )
