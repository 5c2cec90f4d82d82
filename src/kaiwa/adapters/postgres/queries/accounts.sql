-- Users, their sessions, and the key that signs.

-- name: signing_key(fresh)$
INSERT INTO secrets (name, value) VALUES ('signing-key', :fresh)
ON CONFLICT (name) DO UPDATE SET value = secrets.value
RETURNING value;

-- name: insert_user(id, name, password_hash)^
INSERT INTO users (id, name, password_hash) VALUES (:id, :name, :password_hash)
ON CONFLICT (lower(name)) DO NOTHING
RETURNING id, name;

-- name: machine_owner()^
SELECT id, name FROM users WHERE owner;

-- name: insert_owner(id, name)^
-- An account of that name without a password was made on this machine: it is the owner's.
INSERT INTO users (id, name, owner) VALUES (:id, :name, true)
ON CONFLICT (lower(name)) DO UPDATE SET owner = true WHERE users.password_hash IS NULL
RETURNING id, name;

-- name: user_by_name(name)^
SELECT id, name, password_hash FROM users WHERE lower(name) = lower(:name);

-- name: all_users()
SELECT id, name FROM users ORDER BY created_at;

-- name: set_password(password_hash, id)!
UPDATE users SET password_hash = :password_hash WHERE id = :id;

-- name: insert_session(id, user, lifetime, device, password_hash)$
-- FOR SHARE waits for a password that is being changed, and looks again.
INSERT INTO sessions (id, user_id, expires_at, device)
SELECT :id, users.id, now() + :lifetime::int * interval '1 second', :device
FROM users
WHERE users.id = :user AND (:password_hash::text IS NULL OR password_hash = :password_hash)
FOR SHARE
RETURNING id;

-- name: sessions_of(user)
SELECT id, device, began_at, COALESCE(used_at, issued_at) AS seen_at FROM sessions
WHERE user_id = :user AND expires_at > now()
ORDER BY seen_at DESC;

-- name: lock_session(id)$
SELECT id FROM sessions WHERE id = :id FOR UPDATE;

-- name: session(id)^
SELECT users.id, users.name, sessions.rotation,
    extract(epoch FROM now() - sessions.issued_at)::float8 AS issued_ago,
    extract(epoch FROM now() - sessions.used_at)::float8 AS used_ago
FROM sessions JOIN users ON users.id = sessions.user_id
WHERE sessions.id = :id AND sessions.expires_at > now();

-- name: session_used(id)!
UPDATE sessions SET used_at = now() WHERE id = :id AND used_at IS NULL;

-- name: replace_token(lifetime, longest, id)!
UPDATE sessions SET rotation = rotation + 1, issued_at = now(), used_at = NULL,
    expires_at = LEAST(
        now() + :lifetime::int * interval '1 second', began_at + :longest::int * interval '1 second'
    )
WHERE id = :id;

-- name: end_session(id)!
DELETE FROM sessions WHERE id = :id;

-- name: end_session_of(user, id)$
DELETE FROM sessions WHERE user_id = :user AND id = :id RETURNING id;

-- name: end_sessions(user, keep)!
DELETE FROM sessions WHERE user_id = :user AND id <> :keep;

-- name: live_sessions(ids)
SELECT id FROM sessions WHERE id = ANY(:ids::text[]) AND expires_at > now();

-- name: put_login_code(digest, user, lifetime)!
INSERT INTO login_codes (digest, user_id, expires_at)
VALUES (:digest, :user, now() + :lifetime::int * interval '1 second');

-- name: take_login_code(digest)^
WITH taken AS (
    DELETE FROM login_codes WHERE digest = :digest OR expires_at < now()
    RETURNING digest, user_id, expires_at
)
SELECT users.id, users.name FROM taken JOIN users ON users.id = taken.user_id
WHERE taken.digest = :digest AND taken.expires_at >= now();
