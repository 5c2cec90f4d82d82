"""Talks that a member has put away."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("ALTER TABLE members ADD COLUMN archived boolean NOT NULL DEFAULT false")
