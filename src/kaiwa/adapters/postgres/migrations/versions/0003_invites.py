"""Links that let somebody in, and who was shown out."""

from alembic import op

revision = "0003"
down_revision = "0002"

_SCHEMA = (
    """
    CREATE TABLE invites (
        id text PRIMARY KEY,
        digest bytea NOT NULL UNIQUE,
        talk_id text NOT NULL REFERENCES talks ON DELETE CASCADE,
        role text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX invites_talk ON invites (talk_id)",
    """
    CREATE TABLE removals (
        talk_id text NOT NULL REFERENCES talks ON DELETE CASCADE,
        user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
        removed_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (talk_id, user_id)
    )
    """,
)


def upgrade() -> None:
    for statement in _SCHEMA:
        op.execute(statement)
