"""What was said first in a talk, by which one without a title is called."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("""
    CREATE FUNCTION kaiwa_first_words(talk text) RETURNS text LANGUAGE sql STABLE AS $$
        SELECT left(lines.text, 80)
        FROM events JOIN lines
            ON lines.talk_id = events.talk_id AND lines.id = events.payload ->> 'utterance_id'
        WHERE events.talk_id = talk AND events.payload ->> 'type' = 'utterance.final'
        ORDER BY events.seq
        LIMIT 1
    $$
    """)
