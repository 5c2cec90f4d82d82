"""Whose turn it is: when the agent answers, when it makes ready to, and when it falls silent.

The law of this file: everything that decides the floor of a talk lives here. It is told what
happens in the talk (`observe`) and what time it is, in seconds of a monotonic clock, and says what
to do (`decide`) and when to be asked again (`due`).

| state    | it is so while                            | what may be decided                     |
|----------|-------------------------------------------|-----------------------------------------|
| IDLE     | nobody speaks, nothing is to be answered  |                                         |
| HEARING  | somebody speaks, or is being recognised   | Prefill; Discard of an early guess      |
| PAUSE    | everybody is silent after some words      | Speculate at once, Commit when the      |
|          |                                           | silence has lasted (`patience_s`)       |
| REPLYING | a reply is being made, or still sounds    | Cut                                     |

A reply yields to anybody who speaks before it has sounded: they had not finished. Once it sounds,
the words decide (`words_over`). Every process that hears somebody in a talk keeps these states;
only the one that owns the floor acts on what is decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from kaiwa.domain.events import (
    Durable,
    Ephemeral,
    Internal,
    ReplyClause,
    ReplyCut,
    ReplyFinished,
    ReplyPlayed,
    ReplyStarted,
    SpeechEnded,
    SpeechStarted,
    TurnSignal,
    Unknown,
    UtteranceFinal,
    UtterancePartial,
)
from kaiwa.domain.talk import Mode, Talk
from kaiwa.policy.barge_in import Words, asks_for_silence, words_over
from kaiwa.policy.calling import is_called
from kaiwa.policy.completeness import patience_s
from kaiwa.policy.playing import Playing
from kaiwa.policy.prompt import estimate_tokens
from kaiwa.policy.talkers import FORGET_TALKER_S, Talker, words_of
from kaiwa.policy.turn_decisions import Commit, Cut, Decision, Discard, Prefill, Speculate

RETRY_S: Final = 2.0
"""A reply that has not begun so long after a Commit is committed again."""
FORGET_WORDS_S: Final = 8.0
"""Older words are not answered any more: longer than a new owner of the floor needs to come."""
FOLLOW_UP_S: Final = 8.0
"""After an answer, what is said within this time needs no name."""
UNHEARD_S: Final = 0.3
"""From a first clause being stored to its sound being noticed."""
NEAR_END_S: Final = 0.5
"""はい so shortly before the end of a reply is an answer to it."""
PREFILL_TOKENS: Final = 20
"""New stable text that is worth reading ahead: about what is read in the half second that a reading
under way, which cannot be stopped at once, may delay the answer."""


_FORGOTTEN: Final = ("",)  # no words


class State(Enum):
    IDLE = auto()
    HEARING = auto()
    PAUSE = auto()
    REPLYING = auto()


@dataclass(slots=True)
class _Reply:
    playing: Playing
    words: list[UtteranceFinal]
    """What it answers."""
    finished: bool = False
    cut: Cut | None = None


class Turns:
    """The turns of one talk; `talk` may be replaced when its settings change."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self._talkers: dict[str, Talker] = {}
        self._pending: list[UtteranceFinal] = []
        self._late: set[str] = set()
        self._reply: _Reply | None = None
        self._before: Playing | None = None
        self._has_player = False
        self._answered_at = float("-inf")
        self._turn_began = float("-inf")
        self._silent = self._known = float("-inf")
        self._score: float | None = None
        self._typed = False
        self._guess: tuple[str, ...] = ()
        self._prefill: list[Prefill] = []
        self._prefilled = 0
        self._commit_again = float("-inf")

    @property
    def state(self) -> State:
        if self._reply is not None:
            return State.REPLYING
        if any(talker.busy for talker in self._talkers.values()):
            return State.HEARING
        return State.PAUSE if self._words() else State.IDLE

    def sounded(self, start: float, end: float) -> list[ReplyClause]:
        """What of the agent's voice may have been in the air between two times."""
        replies = [self._before, self._reply.playing if self._reply else None]
        return [each for playing in replies if playing for each in playing.sounded(start, end)]

    def hears_others(self, capture: str) -> bool:
        """Whether there are words in the air, of other captures, that are not known yet."""
        return any(
            talker.open and not talker.paused
            for other, talker in self._talkers.items()
            if other != capture
        )

    def forget_guess(self) -> None:
        """Whatever is being made ahead here is to be thrown away, and asked for again."""
        if self._guess:
            self._guess = _FORGOTTEN

    # --- what happens ---

    def observe(self, event: Durable | Ephemeral | Internal | Unknown, now: float) -> None:
        """Take an event of the talk, in the log's order."""
        match event:
            case SpeechStarted():
                self._voice(event.capture, event.participant, now, opens=1)
            case SpeechEnded():
                self._silence(event.capture, now)
            case TurnSignal():
                self._signal(event, now)
            case UtterancePartial():
                self._partial(event, now)
            case UtteranceFinal():
                self._final(event, now)
            case ReplyStarted():
                self._close_reply(now)
                self._reply = _Reply(Playing(event.reply_id), self._pending)
                self._pending = []
                for talker in self._talkers.values():
                    if talker.busy:
                        self._yield(talker, now)
            case ReplyClause() | ReplyPlayed() | ReplyFinished() | ReplyCut():
                reply = self._reply
                if reply is not None and reply.playing.reply_id == event.reply_id:
                    self._follow(reply, event, now)
            case _:
                pass

    def _follow(
        self,
        reply: _Reply,
        event: ReplyClause | ReplyPlayed | ReplyFinished | ReplyCut,
        now: float,
    ) -> None:
        match event:
            case ReplyClause():
                reply.playing.clause(event, now)
            case ReplyPlayed():
                self._has_player = True
                reply.playing.heard(event.listener, event.user, event.clause, event.ms, now)
            case ReplyFinished(status="interrupted") | ReplyCut():
                self._close_reply(now)
            case ReplyFinished():
                reply.finished = True

    def _voice(self, capture: str, participant: str, now: float, *, opens: int) -> None:
        talker = self._talkers.setdefault(capture, Talker(participant, now))
        talker.seen, talker.voiced, talker.paused, talker.words = now, True, False, None
        talker.open += opens
        if opens:
            talker.began, talker.over_reply, talker.heard = now, False, ""
            self._prefilled = 0
            if self._reply is None and not self._pending:
                self._turn_began = now
                self._prefill = [Prefill(None)]
        self._yield(talker, now)

    def _yield(self, talker: Talker, now: float) -> None:
        """A reply that answers a turn, and has not sounded yet, came too early."""
        reply = self._reply
        if reply is None or reply.cut is not None or not reply.words:
            return
        if self._is_unheard(reply, now):
            self._cut(reply, talker.participant, (0, 0))
            self._pending = [*reply.words, *self._pending]

    def _silence(self, capture: str, now: float) -> None:
        talker = self._talkers.get(capture)
        if talker is not None:
            if talker.voiced:  # a cut, or the end of the sound: nobody told of a pause
                self._silent, self._score = now, None
            talker.seen, talker.voiced = now, False

    def _signal(self, event: TurnSignal, now: float) -> None:
        if event.signal == "gone":
            self._talkers.pop(event.capture, None)
        elif event.signal == "late":
            self._late.add(event.utterance_id)
        talker = self._talkers.get(event.capture)
        if talker is None:
            return
        talker.seen = now
        match event.signal:
            case "silent" | "paused":
                talker.voiced, talker.paused = False, event.signal == "paused"
                self._silent, self._score = now - event.silence_ms / 1000, None
                if event.signal == "silent":
                    if words_over(talker.heard, ended=True) is Words.STOP:  # its end is not needed
                        self._hear_over(talker, talker.heard, now, ended=True)
                    return
                over = self._hear_over(talker, event.text, now, ended=True)
                heeded = event.text and over is Words.SPEECH
                talker.words = words_of(event) if heeded else None
            case "judged" if talker.paused or not talker.open:
                self._score = event.score
            case "resumed":
                self._voice(event.capture, event.participant, now, opens=0)
            case "nothing":
                talker.resolve()

    def _partial(self, event: UtterancePartial, now: float) -> None:
        talker = self._talkers.get(event.capture)
        if talker is None:
            return
        before, talker.heard = talker.heard, event.stable + event.tentative
        talker.seen = now
        self._hear_over(talker, talker.heard, now, ended=False, before=before)
        if self.talk.mode is Mode.BUTTON:
            return  # there is time to read when it is asked for, and recognition wants the cores
        tokens = estimate_tokens(event.stable)
        if self._reply is None and tokens >= self._prefilled + PREFILL_TOKENS:
            self._prefilled = tokens
            self._prefill = [Prefill(words_of(event))]

    def _final(self, event: UtteranceFinal, now: float) -> None:
        talker = self._talkers.get(event.capture or "")
        if talker is not None:
            talker.resolve()
        if event.utterance_id in self._late:
            self._late.discard(event.utterance_id)
            return
        reply, over = self._reply, Words.SPEECH
        self._typed = event.capture is None
        if talker is not None:
            over = self._hear_over(talker, event.text, now, ended=True)
            near_end = reply and reply.finished and reply.playing.ends_at() - now < NEAR_END_S
            if over is Words.BACKCHANNEL and near_end:
                over = Words.SPEECH  # はい is an answer to what was just asked
        else:
            self._silent = self._turn_began = now
        if over is Words.SPEECH and self.talk.mode is not Mode.BUTTON:
            self._pending.append(event)
            self._known = now
        elif reply is None:
            self._prefill = [Prefill(None)]

    def _hear_over(
        self, talker: Talker, text: str, now: float, *, ended: bool, before: str = ""
    ) -> Words:
        """What words mean for the reply that goes on; it is cut if they end it."""
        reply, over = self._reply, Words.SPEECH
        if talker.over_reply and asks_for_silence(text):
            over = Words.STOP
        if reply is None or reply.cut is not None:
            return over
        sounds_since = reply.playing.begins_at()
        if sounds_since is None or talker.began < sounds_since:
            return Words.SPEECH  # they were speaking before it sounded
        talker.over_reply = True
        over = words_over(text, ended=ended, before=before)
        if over in (Words.STOP, Words.SPEECH):
            position = reply.playing.position(talker.participant, now)
            nothing_heard = self._has_player and position is None
            self._cut(reply, talker.participant, (0, 0) if nothing_heard else position)
        return Words.SPEECH if over is Words.STOP and not asks_for_silence(text) else over

    def _cut(self, reply: _Reply, by: str, at: tuple[int, int] | None) -> None:
        if reply.cut is None:
            reply.cut = Cut(reply.playing.reply_id, by, at)

    # --- what to do ---

    def decide(self, now: float) -> list[Decision]:
        """What is to be done now."""
        decisions: list[Decision] = []
        self._forget(now)
        reply = self._reply
        if reply is not None and reply.cut is not None:
            decisions.append(reply.cut)
            self._close_reply(now)
        elif reply is not None and reply.finished and now >= reply.playing.ends_at():
            self._close_reply(now)
        words = self._words() if self.state is State.PAUSE else []
        guess = tuple(each.text for each in words) if self._is_asked(words, now) else ()
        if guess != self._guess:
            if self._guess:
                decisions.append(Discard())
            if guess:
                unstored = words[-1] if len(words) > len(self._pending) else None
                decisions.append(Speculate(unstored))
            self._guess = guess
        if self._may_commit(now):
            if guess:
                cause, silent = self._pending[-1].utterance_id, self._silent
                decisions.append(Commit(cause, now - silent, max(0.0, self._known - silent)))
                self._commit_again = now + RETRY_S
            else:
                self._pending = []  # nobody called the agent
        if self._reply is None and not guess:
            decisions += self._prefill
        self._prefill = []
        return decisions

    def due(self) -> float | None:
        """When to decide again if nothing happens before."""
        moments = [talker.seen + FORGET_TALKER_S for talker in self._talkers.values()]
        reply = self._reply
        if reply is not None and reply.finished:
            moments.append(reply.playing.ends_at())
        if self._pending and reply is None and self._is_silent():  # else an event comes before
            moments.append(max(self._commit_at(), self._commit_again))
        if self._pending and self.state is State.PAUSE:
            moments.append(self._silent + FORGET_WORDS_S)
        return min(moments, default=None)

    def _words(self) -> list[UtteranceFinal]:
        """What is to be answered, as far as it is known."""
        said = [talker.words for talker in self._talkers.values() if talker.words is not None]
        if self.talk.mode is Mode.BUTTON:
            return []
        return [*self._pending, *said]

    def _is_asked(self, words: list[UtteranceFinal], now: float) -> bool:
        """Whether the words are for the agent."""
        if self.talk.mode is not Mode.NAME or not words:
            return bool(words)
        follows = self._turn_began - self._answered_at < FOLLOW_UP_S
        return follows or any(is_called(self.talk.agent_name, each.text) for each in words)

    def _may_commit(self, now: float) -> bool:
        return (
            bool(self._pending)
            and self._reply is None
            and self._is_silent()
            and now >= self._commit_at()
            and now >= self._commit_again
        )

    def _is_silent(self) -> bool:
        """Whether nobody speaks, and all that was said is known."""
        return not any(talker.open or talker.voiced for talker in self._talkers.values())

    def _commit_at(self) -> float:
        """Typed words wait for nothing more."""
        text = self._pending[-1].text
        return self._silent + (0.0 if self._typed else patience_s(text, self._score))

    def _is_unheard(self, reply: _Reply, now: float) -> bool:
        begins = reply.playing.begins_at()
        return begins is None or (not reply.playing.has_player and now - begins < UNHEARD_S)

    def _close_reply(self, now: float) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            self._before = reply.playing
            self._answered_at = now
            self._commit_again = float("-inf")
            self._prefill = [Prefill(None)]  # what was heard may be less than what was written

    def _forget(self, now: float) -> None:
        """What is too old to count."""
        self._talkers = {
            capture: talker
            for capture, talker in self._talkers.items()
            if now - talker.seen < FORGET_TALKER_S
        }
        if self.state is State.PAUSE and now - self._silent >= FORGET_WORDS_S:
            self._pending = []
