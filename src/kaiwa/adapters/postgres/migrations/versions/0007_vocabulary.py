"""The names and terms that a talk's speech may hold."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("ALTER TABLE talks ADD COLUMN vocabulary text NOT NULL DEFAULT ''")
