"""Sessions, which end; before, a token was good for thirty days whatever happened."""

from alembic import op

revision = "0002"
down_revision = "0001"

_SCHEMA = (
    """
    CREATE TABLE sessions (
        id text PRIMARY KEY,
        user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
        rotation integer NOT NULL DEFAULT 0,
        issued_at timestamptz NOT NULL DEFAULT now(),
        used_at timestamptz,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX sessions_user ON sessions (user_id)",
)


def upgrade() -> None:
    for statement in _SCHEMA:
        op.execute(statement)
