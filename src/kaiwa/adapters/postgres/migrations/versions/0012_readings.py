"""How lines are read, for search; filled behind everything else, by `readings`."""

from alembic import op

revision = "0012"
down_revision = "0011"

_SCHEMA = (
    "ALTER TABLE lines ADD COLUMN reading text",
    "CREATE INDEX lines_unread ON lines (at DESC) WHERE reading IS NULL AND text <> ''",
    # A tsvector for its queries: of kana that are as good as one another, any.
    """
    CREATE INDEX lines_readings ON lines USING gin (array_to_tsvector(kaiwa_pieces(reading)))
    """,
)


def upgrade() -> None:
    for statement in _SCHEMA:
        op.execute(statement)
