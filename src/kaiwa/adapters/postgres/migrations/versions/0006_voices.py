"""How fast and how high a talk's voice speaks."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE talks
            ADD COLUMN voice_speed double precision NOT NULL DEFAULT 1,
            ADD COLUMN voice_pitch double precision NOT NULL DEFAULT 0
        """
    )
