"""What the talks' prompts keep of the words that they cut, and how often words were erased."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("ALTER TABLE talks ADD COLUMN erasures integer NOT NULL DEFAULT 0")
    op.execute(
        """
        CREATE TABLE summaries (
            talk_id text NOT NULL REFERENCES talks ON DELETE CASCADE,
            digest text NOT NULL,
            text text NOT NULL,
            PRIMARY KEY (talk_id, digest)
        )
        """
    )
