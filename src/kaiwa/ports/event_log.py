"""The durable log of every talk, and where its captures stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kaiwa.domain.audio import Samples
from kaiwa.domain.events import Durable, Ephemeral, Internal, Recorded, ReplyClause, UtteranceFinal
from kaiwa.domain.ids import CaptureId, ClipId, EventId, ReplyId, TalkId, UserId, UtteranceId

REPLY_LEASE_S = 6  # three missed heartbeats: its process is gone
FLOOR_LEASE_S = 3


@dataclass(frozen=True, slots=True)
class Capture:
    """One microphone recording as the database knows it.

    `epoch` is the connection that may write; `offset` is the durable offset in samples;
    `started_ms` places sample 0 in the talk's time; `utterances` counts those stored; `age_ms` is
    how long ago sample 0 was when the capture was opened, all by the database's clock.
    """

    id: CaptureId
    talk: TalkId
    participant: UserId
    epoch: int
    offset: int
    started_ms: int
    utterances: int
    age_ms: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Advance:
    """Move a capture's durable offset together with an append, if nobody else has."""

    capture: Capture
    offset: int
    utterances: int


@dataclass(frozen=True, slots=True)
class ReplyClaim:
    """The answer to "may I reply?": a reply of mine to make, or the one that is going on."""

    reply_id: ReplyId
    generation: int
    mine: bool


class EventLog(Protocol):
    """Rows are the truth; whoever appends also wakes readers. Raises DatabaseDown."""

    async def append(
        self,
        talk: TalkId,
        event: Durable,
        *,
        event_id: EventId | None = None,
        advance: Advance | None = None,
        sound: Samples | None = None,
    ) -> Recorded:
        """Give the event the talk's next seq and store it; with it the `sound` of an
        `utterance.final`, if the talk is being recorded at that moment.

        With an `event_id` that is there already, nothing is written and the stored event is
        returned: a COMMIT whose answer was lost can be sent again. Raises NotFound (no such talk),
        TakenOver (`advance` of a capture that another connection has taken; a clause or the end of
        a reply that another process has closed).
        """

    async def move(self, advance: Advance) -> Capture:
        """Move a durable offset without an event; the same move again changes nothing.

        Raises TakenOver.
        """

    async def read(self, talk: TalkId, after: int, limit: int = 500) -> list[Recorded]:
        """Events with seq > after, in order."""

    async def head(self, talk: TalkId) -> int:
        """The newest seq; 0 for an empty talk. Raises NotFound."""

    async def heads(self, talks: Sequence[TalkId]) -> dict[TalkId, int]:
        """The newest seq of each; those that do not exist are left out."""

    async def erasures(self, talk: TalkId) -> int:
        """How often words of the talk were erased; who keeps a copy of its events reads them anew
        when this has changed. Raises NotFound.
        """

    async def tell(self, talk: TalkId, event: Ephemeral | Internal) -> None:
        """Send an ephemeral event to every reader; a reader that is away misses it."""

    async def open_capture(self, talk: TalkId, participant: UserId, capture: CaptureId) -> Capture:
        """Make or resume a capture, with a new epoch.

        Raises NotFound (no such talk), Conflict when it is another's.
        """

    async def capture(self, talk: TalkId, capture: CaptureId) -> Capture:
        """Raises NotFound."""

    async def take_floor(self, talk: TalkId, owner: str) -> int | None:
        """The fence of the talk's floor, if it is this owner's or nobody's; else None.

        A floor that was not renewed for FLOOR_LEASE_S is nobody's. Taking it over raises the fence
        and closes the reply that its last owner was making, as interrupted. Raises NotFound.
        """

    async def renew_floors(self, owner: str, talks: Sequence[TalkId]) -> set[TalkId]:
        """The owner's heartbeat, each second; returns the talks whose floor it still has."""

    async def release_floor(self, talk: TalkId, owner: str) -> None:
        """Let another process have it at once."""

    async def claim_reply(
        self,
        talk: TalkId,
        *,
        cause: str,
        owner: str,
        name: str,
        key: EventId | None = None,
        fence: int | None = None,
    ) -> ReplyClaim:
        """Start a reply (appending `reply.started`) unless one is going on.

        With a `fence` only while the floor is this owner's and has that fence: else TakenOver.
        With a `key` that was used before, the reply it started then is the answer. A reply
        whose owner has not renewed it for REPLY_LEASE_S is closed as interrupted first.
        """

    async def reply_going_on(self, talk: TalkId) -> ReplyId | None: ...

    async def clauses(self, talk: TalkId, reply: ReplyId) -> list[ReplyClause]:
        """The clauses of a reply that are stored so far, in order."""

    async def clip_text(self, talk: TalkId, clip: ClipId) -> str:
        """What a clip says. Raises NotFound."""

    async def put_heard(
        self, talk: TalkId, reply: ReplyId, user: UserId, listener: str, clause: int, ms: int
    ) -> None:
        """Keep how far a listener has heard a reply: the newest report counts.

        Raises NotFound: no such reply, or one device too many of this user.
        """

    async def utterance(self, talk: TalkId, utterance: UtteranceId) -> UtteranceFinal:
        """As it was first stored. Raises NotFound."""

    async def renew_replies(self, owner: str, replies: Sequence[ReplyId]) -> None:
        """The owner's heartbeat."""

    async def close_orphans(self) -> int:
        """Close replies whose owner is gone; returns how many."""
