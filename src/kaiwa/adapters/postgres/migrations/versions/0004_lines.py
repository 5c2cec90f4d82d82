"""What talks say now, for search; filled from the log."""

import json

from alembic import op
from sqlalchemy import text

from kaiwa.domain.events import Recorded, decode_durable
from kaiwa.policy.search import folded
from kaiwa.policy.transcript import lines

revision = "0004"
down_revision = "0003"

_SCHEMA = (
    """
    CREATE TABLE lines (
        talk_id text NOT NULL REFERENCES talks ON DELETE CASCADE,
        id text NOT NULL,
        seq bigint NOT NULL,
        name text NOT NULL,
        reply boolean NOT NULL,
        cut boolean NOT NULL DEFAULT false,
        at timestamptz NOT NULL,
        text text NOT NULL,
        folded text NOT NULL,
        PRIMARY KEY (talk_id, id)
    )
    """,
    # Every character and pair of characters, so that any substring is found by an index, in
    # Japanese too, where two characters are a usual query.
    """
    CREATE FUNCTION kaiwa_pieces(folded text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT AS $$
        SELECT array_agg(DISTINCT piece)
        FROM (
            SELECT one, one || lead(one) OVER (ORDER BY place) AS two
            FROM unnest(string_to_array(folded, NULL)) WITH ORDINALITY AS each (one, place)
        ) AS pairs, LATERAL (VALUES (one), (two)) AS both_of (piece)
        WHERE piece NOT LIKE '% %'
    $$
    """,
    "CREATE INDEX lines_pieces ON lines USING gin (kaiwa_pieces(folded))",
    "CREATE INDEX lines_at ON lines (at DESC)",
)
_INSERT = text(
    "INSERT INTO lines (talk_id, id, seq, name, reply, at, text, folded)"
    " VALUES (:talk, :id, :seq, :name, :reply, :at, :text, :folded)"
)


def upgrade() -> None:
    for statement in _SCHEMA:
        op.execute(statement)
    connection = op.get_bind()
    for (talk,) in connection.execute(
        text("SELECT id FROM talks WHERE deleted_at IS NULL")
    ).fetchall():
        rows = connection.execute(
            text(
                "SELECT seq, payload::text FROM events"
                " WHERE talk_id = :talk AND payload <> '{}' ORDER BY seq"
            ),
            {"talk": talk},
        )
        events = [Recorded(seq=seq, event=decode_durable(json.loads(raw))) for seq, raw in rows]
        began = {
            getattr(r.event, "utterance_id", getattr(r.event, "reply_id", "")): r.seq
            for r in reversed(events)
        }
        for line in lines(events):
            connection.execute(
                _INSERT,
                {
                    "talk": talk,
                    "id": line.id,
                    "seq": began[line.id],
                    "name": line.name,
                    "reply": line.is_reply,
                    "at": line.at,
                    "text": line.text,
                    "folded": folded(line.text),
                },
            )
