"""The sound of utterances, in talks whose owner wants it kept."""

from alembic import op

revision = "0009"
down_revision = "0008"

_SCHEMA = (
    "ALTER TABLE talks ADD COLUMN recording boolean NOT NULL DEFAULT false",
    """
    CREATE TABLE recordings (
        talk_id text NOT NULL REFERENCES talks ON DELETE CASCADE,
        utterance_id text NOT NULL,
        at timestamptz NOT NULL,
        opus bytea NOT NULL,
        PRIMARY KEY (talk_id, utterance_id)
    )
    """,
    "ALTER TABLE recordings ALTER COLUMN opus SET STORAGE EXTERNAL",
)


def upgrade() -> None:
    for statement in _SCHEMA:
        op.execute(statement)
