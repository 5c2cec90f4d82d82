"""A talk's first words by an index of its lines: in the log they may stand behind all that was
erased."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.execute("CREATE INDEX lines_said ON lines (talk_id, seq) WHERE NOT reply")
    op.execute("DROP FUNCTION kaiwa_first_words")
