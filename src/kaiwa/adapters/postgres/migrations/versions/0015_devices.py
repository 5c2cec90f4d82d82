"""When a session began, and on what: it ends for good some time, and is shown to its user."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("ALTER TABLE sessions ADD COLUMN began_at timestamptz NOT NULL DEFAULT now()")
    op.execute("ALTER TABLE sessions ADD COLUMN device text NOT NULL DEFAULT ''")
