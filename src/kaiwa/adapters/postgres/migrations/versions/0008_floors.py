"""Who owns a talk's floor."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE floors (
            talk_id text PRIMARY KEY REFERENCES talks ON DELETE CASCADE,
            owner text NOT NULL,
            fence integer NOT NULL DEFAULT 1,
            renewed_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
