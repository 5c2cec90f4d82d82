-- Named blocks, loaded by aiosql. Parameters are always bound.

-- name: take_seq(talk)$
-- Locks the talk's row, so that seq has no gaps and no reader can skip a late commit.
UPDATE talks SET seq = seq + 1, updated_at = now()
WHERE id = :talk AND deleted_at IS NULL
RETURNING seq;

-- name: insert_event(talk, seq, event_id, payload)$
INSERT INTO events (talk_id, seq, event_id, payload)
VALUES (:talk, :seq, :event_id, :payload)
ON CONFLICT (talk_id, event_id) DO NOTHING
RETURNING seq;

-- name: event_by_id(talk, event_id)^
SELECT seq, payload FROM events WHERE talk_id = :talk AND event_id = :event_id;

-- name: notify(channel, payload)$
SELECT pg_notify(:channel, :payload);

-- name: events_after(talk, after, at_most)
SELECT seq, payload FROM events
WHERE talk_id = :talk AND seq > :after AND payload <> '{}'
ORDER BY seq
LIMIT :at_most;

-- name: head(talk)$
SELECT seq FROM talks WHERE id = :talk AND deleted_at IS NULL;

-- name: utterance_of(talk, utterance_id)^
SELECT payload FROM events
WHERE talk_id = :talk AND payload ->> 'type' = 'utterance.final'
  AND payload ->> 'utterance_id' = :utterance_id;

-- name: open_capture(capture, participant, talk)^
INSERT INTO captures (id, talk_id, user_id, started_ms)
SELECT :capture, id, :participant, (extract(epoch FROM now() - created_at) * 1000)::bigint
FROM talks WHERE id = :talk AND deleted_at IS NULL
ON CONFLICT (id) DO UPDATE SET epoch = captures.epoch + 1
WHERE captures.talk_id = :talk AND captures.user_id = :participant
RETURNING *, (
    SELECT (extract(epoch FROM now() - talks.created_at) * 1000)::bigint - captures.started_ms
    FROM talks WHERE talks.id = captures.talk_id
) AS age_ms;

-- name: advance_capture(new_offset, utterances, capture, epoch, old_offset)^
-- At the new offset already: the same move, whose answer was lost.
UPDATE captures SET durable_offset = :new_offset, utterances = :utterances
WHERE id = :capture AND epoch = :epoch AND durable_offset IN (:old_offset, :new_offset)
RETURNING *;

-- name: get_capture(capture, talk)^
SELECT * FROM captures WHERE id = :capture AND talk_id = :talk;

-- name: lock_talk(talk)$
SELECT seq FROM talks WHERE id = :talk AND deleted_at IS NULL FOR UPDATE;

-- name: reply_going_on(lease, talk)^
SELECT id, generation, renewed_at < now() - :lease::int * interval '1 second' AS orphaned
FROM replies WHERE talk_id = :talk AND NOT finished;

-- name: next_generation(talk)$
UPDATE talks SET generation = generation + 1 WHERE id = :talk RETURNING generation;

-- name: insert_reply(reply, talk, generation, owner)!
INSERT INTO replies (id, talk_id, generation, owner)
VALUES (:reply, :talk, :generation, :owner);

-- name: renew_replies(owner, replies)!
UPDATE replies SET renewed_at = now()
WHERE owner = :owner AND id = ANY(:replies::text[]) AND NOT finished;

-- name: finish_reply(reply)$
UPDATE replies SET finished = true WHERE id = :reply AND NOT finished RETURNING id;

-- name: is_going_on(talk, reply)$
SELECT EXISTS (SELECT FROM replies WHERE id = :reply AND talk_id = :talk AND NOT finished);

-- name: finish_orphan(reply, lease)$
UPDATE replies SET finished = true
WHERE id = :reply AND NOT finished
  AND renewed_at < now() - :lease::int * interval '1 second'
RETURNING id;

-- name: orphaned_replies(lease)
SELECT id, talk_id FROM replies
WHERE NOT finished AND renewed_at < now() - :lease::int * interval '1 second';

-- name: floor_of(talk)^
SELECT owner, fence FROM floors WHERE talk_id = :talk;

-- name: take_floor(talk, owner, lease)$
INSERT INTO floors (talk_id, owner) VALUES (:talk, :owner)
ON CONFLICT (talk_id) DO UPDATE SET
    owner = :owner,
    fence = floors.fence + (floors.owner <> :owner)::int,
    renewed_at = now()
WHERE floors.owner IN (:owner, '')
   OR floors.renewed_at < now() - :lease::int * interval '1 second'
RETURNING fence;

-- name: renew_floors(owner, talks)
UPDATE floors SET renewed_at = now()
WHERE owner = :owner AND talk_id = ANY(:talks::text[])
RETURNING talk_id;

-- name: release_floor(talk, owner)!
UPDATE floors SET owner = '' WHERE talk_id = :talk AND owner = :owner;

-- name: reply_of_owner(talk, owner)$
SELECT id FROM replies WHERE talk_id = :talk AND owner = :owner AND NOT finished;

-- name: clauses_of(talk, reply)
SELECT payload FROM events
WHERE talk_id = :talk AND payload ->> 'type' = 'reply.clause' AND payload ->> 'reply_id' = :reply
ORDER BY seq;

-- name: put_heard(talk, reply, listener, clause, ms)!
INSERT INTO heard (talk_id, reply_id, listener, clause, ms)
VALUES (:talk, :reply, :listener, :clause, :ms)
ON CONFLICT (talk_id, reply_id, listener)
DO UPDATE SET clause = excluded.clause, ms = excluded.ms, at = now();

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

-- name: insert_talk(id, title, language, agent_name, instructions, llm_model, voice, mode, user, key)$
INSERT INTO talks
    (id, title, language, agent_name, instructions, llm_model, voice, mode, created_by,
     idempotency_key)
VALUES
    (:id, :title, :language, :agent_name, :instructions, :llm_model, :voice, :mode, :user, :key)
ON CONFLICT (created_by, idempotency_key) DO NOTHING
RETURNING id;

-- name: talk_by_key(user, key)$
SELECT id FROM talks WHERE created_by = :user AND idempotency_key = :key;

-- name: talks_of(user)
SELECT talks.*, members.role FROM talks JOIN members ON members.talk_id = talks.id
WHERE members.user_id = :user AND talks.deleted_at IS NULL
ORDER BY talks.updated_at DESC;

-- name: talk_for(talk, user)^
SELECT talks.*, members.role FROM talks JOIN members ON members.talk_id = talks.id
WHERE talks.id = :talk AND members.user_id = :user AND talks.deleted_at IS NULL;

-- name: update_talk(title, language, agent_name, instructions, llm_model, voice, mode, talk)!
UPDATE talks SET
    title = :title, language = :language, agent_name = :agent_name, instructions = :instructions,
    llm_model = :llm_model, voice = :voice, mode = :mode, updated_at = now()
WHERE id = :talk;

-- name: forget_talk(talk)!
UPDATE talks SET deleted_at = now(), title = '', instructions = '' WHERE id = :talk;

-- name: forget_events(talk)!
-- The seq numbers stay as tombstones.
UPDATE events SET payload = '{}'
WHERE talk_id = :talk AND payload ->> 'type' <> 'talk.deleted';

-- name: forget_clips(talk)!
DELETE FROM clips WHERE talk_id = :talk;

-- name: forget_replies(talk)!
UPDATE replies SET finished = true WHERE talk_id = :talk AND NOT finished;

-- name: members_of(talk)
SELECT users.id, users.name, members.role FROM members JOIN users ON users.id = members.user_id
WHERE members.talk_id = :talk ORDER BY members.joined_at, users.name;

-- name: put_member(talk, user, role)!
INSERT INTO members (talk_id, user_id, role) VALUES (:talk, :user, :role)
ON CONFLICT (talk_id, user_id) DO UPDATE SET role = excluded.role;

-- name: delete_member(talk, user)$
DELETE FROM members WHERE talk_id = :talk AND user_id = :user RETURNING user_id;

-- name: search(user, pattern, at_most)
SELECT talks.id AS talk_id, talks.title, events.seq, events.payload
FROM events
JOIN talks ON talks.id = events.talk_id AND talks.deleted_at IS NULL
JOIN members ON members.talk_id = talks.id AND members.user_id = :user
WHERE events.payload ->> 'type' IN ('utterance.final', 'utterance.edited', 'reply.finished')
  AND events.payload ->> 'text' ILIKE :pattern
ORDER BY events.payload ->> 'at' DESC
LIMIT :at_most;

-- name: put_clip(id, voice, opus, talk)$
-- Waits for a deletion that is going on, and then stores nothing.
INSERT INTO clips (id, talk_id, voice, opus)
SELECT :id, id, :voice, :opus FROM talks WHERE id = :talk AND deleted_at IS NULL FOR SHARE
RETURNING id;

-- name: get_clip(id, talk)$
SELECT opus FROM clips WHERE id = :id AND talk_id = :talk;
