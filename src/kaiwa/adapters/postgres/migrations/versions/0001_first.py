"""The first schema: accounts, talks, the log, captures, replies, clips."""

from alembic import op

revision = "0001"
down_revision = None

_SCHEMA = (
    """
    CREATE TABLE users (
        id text PRIMARY KEY,
        name text NOT NULL,
        password_hash text,
        owner boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE UNIQUE INDEX users_name ON users (lower(name))",
    "CREATE UNIQUE INDEX users_owner ON users (owner) WHERE owner",
    """
    CREATE TABLE secrets (
        name text PRIMARY KEY,
        value bytea NOT NULL
    )
    """,
    """
    CREATE TABLE login_codes (
        digest bytea PRIMARY KEY,
        user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
        expires_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE talks (
        id text PRIMARY KEY,
        title text NOT NULL,
        language text NOT NULL,
        agent_name text NOT NULL,
        instructions text NOT NULL,
        llm_model text NOT NULL,
        voice text NOT NULL,
        mode text NOT NULL,
        seq bigint NOT NULL DEFAULT 0,
        generation integer NOT NULL DEFAULT 0,
        created_by text NOT NULL REFERENCES users,
        idempotency_key text,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        deleted_at timestamptz,
        UNIQUE (created_by, idempotency_key)
    )
    """,
    """
    CREATE TABLE members (
        talk_id text NOT NULL REFERENCES talks ON DELETE CASCADE,
        user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
        role text NOT NULL,
        joined_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (talk_id, user_id)
    )
    """,
    "CREATE INDEX members_user ON members (user_id)",
    """
    CREATE TABLE events (
        talk_id text NOT NULL REFERENCES talks ON DELETE CASCADE,
        seq bigint NOT NULL,
        event_id text NOT NULL,
        payload jsonb NOT NULL,
        PRIMARY KEY (talk_id, seq),
        UNIQUE (talk_id, event_id)
    )
    """,
    """
    CREATE TABLE captures (
        id text PRIMARY KEY,
        talk_id text NOT NULL REFERENCES talks ON DELETE CASCADE,
        user_id text NOT NULL REFERENCES users ON DELETE CASCADE,
        epoch integer NOT NULL DEFAULT 1,
        durable_offset bigint NOT NULL DEFAULT 0,
        started_ms bigint NOT NULL,
        utterances integer NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE TABLE replies (
        id text PRIMARY KEY,
        talk_id text NOT NULL REFERENCES talks ON DELETE CASCADE,
        generation integer NOT NULL,
        owner text NOT NULL,
        renewed_at timestamptz NOT NULL DEFAULT now(),
        finished boolean NOT NULL DEFAULT false
    )
    """,
    "CREATE UNIQUE INDEX replies_going_on ON replies (talk_id) WHERE NOT finished",
    """
    CREATE TABLE heard (
        talk_id text NOT NULL REFERENCES talks ON DELETE CASCADE,
        reply_id text NOT NULL,
        listener text NOT NULL,
        clause integer NOT NULL,
        ms integer NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (talk_id, reply_id, listener)
    )
    """,
    """
    CREATE TABLE clips (
        id text PRIMARY KEY,
        talk_id text NOT NULL REFERENCES talks ON DELETE CASCADE,
        voice text NOT NULL,
        opus bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "ALTER TABLE clips ALTER COLUMN opus SET STORAGE EXTERNAL",
)


def upgrade() -> None:
    for statement in _SCHEMA:
        op.execute(statement)
