"""How long talks are kept; and clips whose sound was dropped, to be spoken again on request."""

from alembic import op

revision = "0005"
down_revision = "0004"

_SCHEMA = (
    "ALTER TABLE talks ADD COLUMN retention_days integer NOT NULL DEFAULT 0",
    "ALTER TABLE clips ALTER COLUMN opus DROP NOT NULL",
    "CREATE INDEX clips_created ON clips (created_at) WHERE opus IS NOT NULL",
)


def upgrade() -> None:
    for statement in _SCHEMA:
        op.execute(statement)
