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

-- name: insert_events(talk, seq, event_id, payload)*!
INSERT INTO events (talk_id, seq, event_id, payload)
VALUES (:talk, :seq, :event_id, :payload);

-- name: began(at, seq, talk)!
UPDATE talks SET created_at = :at, seq = :seq WHERE id = :talk;

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

-- name: heads(talks)
SELECT id, seq FROM talks WHERE id = ANY(:talks);

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

-- name: put_heard(talk, reply, owner, listener, clause, ms, devices)$
-- The reply must be the talk's, and the listener one of so many of its owner's.
INSERT INTO heard (talk_id, reply_id, listener, clause, ms)
SELECT :talk, :reply, :owner || :listener, :clause, :ms
WHERE EXISTS (SELECT 1 FROM replies WHERE id = :reply AND talk_id = :talk) AND :devices > (
    SELECT count(*) FROM heard
    WHERE talk_id = :talk AND reply_id = :reply
        AND starts_with(listener, :owner) AND listener <> :owner || :listener
)
ON CONFLICT (talk_id, reply_id, listener)
DO UPDATE SET clause = excluded.clause, ms = excluded.ms, at = now()
RETURNING true;

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

-- name: insert_session(id, user, lifetime)!
INSERT INTO sessions (id, user_id, expires_at)
VALUES (:id, :user, now() + :lifetime::int * interval '1 second');

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

-- name: replace_token(lifetime, id)!
UPDATE sessions SET rotation = rotation + 1, issued_at = now(), used_at = NULL,
    expires_at = now() + :lifetime::int * interval '1 second'
WHERE id = :id;

-- name: end_session(id)!
DELETE FROM sessions WHERE id = :id;

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

-- name: insert_talk(id, title, language, vocabulary, agent_name, instructions, llm_model, voice, voice_speed, voice_pitch, mode, retention_days, recording, user, key)$
INSERT INTO talks
    (id, title, language, vocabulary, agent_name, instructions, llm_model, voice, voice_speed, voice_pitch,
     mode, retention_days, recording, created_by, idempotency_key)
VALUES
    (:id, :title, :language, :vocabulary, :agent_name, :instructions, :llm_model, :voice, :voice_speed,
     :voice_pitch, :mode, :retention_days, :recording, :user, :key)
ON CONFLICT (created_by, idempotency_key) DO NOTHING
RETURNING id;

-- name: talk_by_key(user, key)$
SELECT id FROM talks WHERE created_by = :user AND idempotency_key = :key;

-- name: talks_of(user)
SELECT talks.*, members.role, members.archived,
    CASE WHEN talks.title = '' THEN kaiwa_first_words(talks.id) END AS first_words
FROM talks JOIN members ON members.talk_id = talks.id
WHERE members.user_id = :user AND talks.deleted_at IS NULL
ORDER BY talks.updated_at DESC;

-- name: talk_for(talk, user)^
SELECT talks.*, members.role, members.archived,
    CASE WHEN talks.title = '' THEN kaiwa_first_words(talks.id) END AS first_words
FROM talks JOIN members ON members.talk_id = talks.id
WHERE talks.id = :talk AND members.user_id = :user AND talks.deleted_at IS NULL;

-- name: settings_of(talk)^
SELECT * FROM talks WHERE id = :talk AND deleted_at IS NULL;

-- name: update_talk(title, language, vocabulary, agent_name, instructions, llm_model, voice, voice_speed, voice_pitch, mode, retention_days, recording, talk)!
UPDATE talks SET
    title = :title, language = :language, vocabulary = :vocabulary,
    agent_name = :agent_name, instructions = :instructions, llm_model = :llm_model, voice = :voice, voice_speed = :voice_speed,
    voice_pitch = :voice_pitch, mode = :mode, retention_days = :retention_days, recording = :recording,
    updated_at = now()
WHERE id = :talk;

-- name: forget_talk(talk)!
UPDATE talks SET deleted_at = now(), title = '', instructions = '' WHERE id = :talk;

-- name: forget_events(talk)!
-- The seq numbers stay as tombstones.
UPDATE events SET payload = '{}'
WHERE talk_id = :talk AND payload ->> 'type' <> 'talk.deleted';

-- name: forget_clips(talk)!
DELETE FROM clips WHERE talk_id = :talk;

-- name: forget_recordings(talk)!
DELETE FROM recordings WHERE talk_id = :talk;

-- name: forget_replies(talk)!
UPDATE replies SET finished = true WHERE talk_id = :talk AND NOT finished;

-- name: members_of(talk)
SELECT users.id, users.name, members.role FROM members JOIN users ON users.id = members.user_id
WHERE members.talk_id = :talk ORDER BY members.joined_at, users.name;

-- name: put_member(talk, user, role)!
INSERT INTO members (talk_id, user_id, role) VALUES (:talk, :user, :role)
ON CONFLICT (talk_id, user_id) DO UPDATE SET role = excluded.role;

-- name: archive_talk(archived, talk, user)$
UPDATE members SET archived = :archived WHERE talk_id = :talk AND user_id = :user RETURNING user_id;

-- name: delete_member(talk, user)$
DELETE FROM members WHERE talk_id = :talk AND user_id = :user RETURNING user_id;

-- name: role_of(talk, user)$
SELECT role FROM members WHERE talk_id = :talk AND user_id = :user;

-- name: put_removal(talk, user)!
INSERT INTO removals (talk_id, user_id) VALUES (:talk, :user)
ON CONFLICT (talk_id, user_id) DO UPDATE SET removed_at = now();

-- name: drop_old_invites(talk)!
DELETE FROM invites WHERE talk_id = :talk AND expires_at <= now();

-- name: count_invites(talk)$
SELECT count(*) FROM invites WHERE talk_id = :talk;

-- name: insert_invite(id, digest, talk, role, lifetime)^
INSERT INTO invites (id, digest, talk_id, role, expires_at)
VALUES (:id, :digest, :talk, :role, now() + :lifetime::int * interval '1 second')
RETURNING id, role, expires_at;

-- name: invites_of(talk)
SELECT id, role, expires_at FROM invites
WHERE talk_id = :talk AND expires_at > now()
ORDER BY created_at;

-- name: delete_invite(talk, id)$
DELETE FROM invites WHERE talk_id = :talk AND id = :id RETURNING id;

-- name: invite_by_digest(digest, user)^
SELECT talk_id, role FROM invites
WHERE digest = :digest AND expires_at > now() AND NOT EXISTS (
    SELECT FROM removals
    WHERE removals.talk_id = invites.talk_id AND user_id = :user
      AND removed_at > invites.created_at
);

-- name: forget_invites(talk)!
DELETE FROM invites WHERE talk_id = :talk;

-- name: erasures(talk)$
SELECT erasures FROM talks WHERE id = :talk AND deleted_at IS NULL;

-- name: summaries_of(talk)
SELECT digest, text FROM summaries WHERE talk_id = :talk;

-- name: put_summary(talk, digest, text)!
INSERT INTO summaries (talk_id, digest, text) VALUES (:talk, :digest, :text)
ON CONFLICT (talk_id, digest) DO UPDATE SET text = excluded.text;

-- name: keep_summaries(talk, digests)!
DELETE FROM summaries WHERE talk_id = :talk AND digest <> ALL(:digests::text[]);

-- name: put_line(talk, id, seq, name, reply, at, text, folded)!
INSERT INTO lines (talk_id, id, seq, name, reply, at, text, folded)
VALUES (:talk, :id, :seq, :name, :reply, :at, :text, :folded)
ON CONFLICT (talk_id, id) DO NOTHING;

-- name: put_lines(talk, id, seq, name, reply, at, text, folded)*!
INSERT INTO lines (talk_id, id, seq, name, reply, at, text, folded)
VALUES (:talk, :id, :seq, :name, :reply, :at, :text, :folded);

-- name: change_line(text, folded, cut, talk, id)!
-- A cut may come before the end of its reply, and holds what was heard.
UPDATE lines
SET text = :text, folded = :folded, cut = cut OR :cut,
    reading = CASE WHEN text = :text THEN reading END
WHERE talk_id = :talk AND id = :id AND (:cut OR NOT cut);

-- name: forget_lines(talk)!
DELETE FROM lines WHERE talk_id = :talk;

-- name: any_unread()$
SELECT EXISTS (SELECT FROM lines WHERE reading IS NULL AND text <> '');

-- name: may_read(key)$
SELECT pg_try_advisory_lock(:key);

-- name: unread(longest, at_most)
SELECT talk_id, id, left(text, :longest) AS text FROM lines WHERE reading IS NULL AND text <> ''
ORDER BY at DESC
LIMIT :at_most;

-- name: put_readings(talks, ids, texts, readings, longest)$
-- Whoever holds a line is changing or erasing it; nobody waits for the other.
WITH free AS (
    SELECT talk_id, id, made.reading
    FROM unnest(:talks::text[], :ids::text[], :texts::text[], :readings::text[])
        AS made (talk_id, id, text, reading)
    JOIN lines USING (talk_id, id)
    WHERE left(lines.text, :longest) = made.text
    FOR UPDATE OF lines SKIP LOCKED
), put AS (
    UPDATE lines SET reading = free.reading FROM free
    WHERE lines.talk_id = free.talk_id AND lines.id = free.id
    RETURNING 1
)
SELECT count(*) FROM put;

-- name: search_newest(user, newest, pattern, sound, at_most)
-- What is said often was said lately: no index is faster than looking there first.
SELECT newest.*, talks.title
FROM (
    SELECT lines.*
    FROM lines JOIN members ON members.talk_id = lines.talk_id AND members.user_id = :user
    ORDER BY lines.at DESC
    LIMIT :newest
) AS newest
JOIN talks ON talks.id = newest.talk_id
WHERE newest.folded LIKE :pattern OR newest.reading ~ :sound
ORDER BY newest.at DESC
LIMIT :at_most;

-- name: search(user, pieces, pattern, sounds, sound, at_most)
-- Materialized: by the indexes first, whatever the planner thinks of the rest.
WITH hits AS MATERIALIZED (
    SELECT * FROM lines WHERE kaiwa_pieces(folded) @> :pieces AND folded LIKE :pattern
    UNION ALL
    SELECT * FROM lines
    WHERE array_to_tsvector(kaiwa_pieces(reading)) @@ :sounds::tsquery AND reading ~ :sound
        AND folded NOT LIKE :pattern
)
SELECT hits.*, talks.title
FROM hits
JOIN members ON members.talk_id = hits.talk_id AND members.user_id = :user
JOIN talks ON talks.id = hits.talk_id
ORDER BY hits.at DESC
LIMIT :at_most;

-- name: put_clip(id, voice, opus, talk)$
-- Waits for a deletion that is going on, and then stores nothing.
INSERT INTO clips (id, talk_id, voice, opus)
SELECT :id, id, :voice, :opus FROM talks WHERE id = :talk AND deleted_at IS NULL FOR SHARE
ON CONFLICT (id) DO UPDATE SET voice = excluded.voice, opus = excluded.opus, created_at = now()
WHERE clips.talk_id = :talk
RETURNING id;

-- name: put_recording(talk, utterance, at, opus)$
-- Inside the append, which holds the talk's row: what is switched off stores nothing more.
INSERT INTO recordings (talk_id, utterance_id, at, opus)
SELECT id, :utterance, :at, :opus FROM talks WHERE id = :talk AND recording
RETURNING true;

-- name: get_recording(talk, utterance)$
SELECT opus FROM recordings WHERE talk_id = :talk AND utterance_id = :utterance;

-- name: clip_voice(id, talk)$
SELECT voice FROM clips WHERE id = :id AND talk_id = :talk;

-- name: clip_text(talk, clip)$
SELECT payload ->> 'text' FROM events
WHERE talk_id = :talk AND payload ->> 'type' = 'reply.clause' AND payload ->> 'clip' = :clip;

-- name: may_sweep(key)$
SELECT pg_try_advisory_xact_lock(:key);

-- name: sweep_talks()
-- The talks that have something to erase, locked, as whoever appends to them locks them.
UPDATE talks SET erasures = erasures + 1
WHERE retention_days > 0 AND EXISTS (
    SELECT FROM events
    WHERE talk_id = talks.id AND payload ->> 'type' IN ('utterance.final', 'reply.started')
      AND (payload ->> 'at')::timestamptz < now() - retention_days * interval '1 day'
)
RETURNING id;

-- name: sweep_events()!
-- The seq numbers stay as tombstones; who was in the talk stays too. A correction goes with its
-- utterance, and what came of a reply with its beginning.
WITH gone AS (
    SELECT events.talk_id, events.seq,
        COALESCE(payload ->> 'utterance_id', payload ->> 'reply_id') AS line
    FROM events JOIN talks ON talks.id = events.talk_id
    WHERE retention_days > 0
      AND payload ->> 'type' IN ('utterance.final', 'reply.started')
      AND (payload ->> 'at')::timestamptz < now() - retention_days * interval '1 day'
)
UPDATE events SET payload = '{}' FROM gone
WHERE events.talk_id = gone.talk_id
  AND COALESCE(payload ->> 'utterance_id', payload ->> 'reply_id') = gone.line;

-- name: sweep_lines()!
DELETE FROM lines USING talks
WHERE talks.id = lines.talk_id AND retention_days > 0
  AND lines.at < now() - retention_days * interval '1 day';

-- name: sweep_talk_clips()!
DELETE FROM clips USING talks
WHERE talks.id = clips.talk_id AND retention_days > 0
  AND clips.created_at < now() - retention_days * interval '1 day';

-- name: sweep_recordings()!
DELETE FROM recordings USING talks
WHERE talks.id = recordings.talk_id AND retention_days > 0
  AND recordings.at < now() - retention_days * interval '1 day';

-- name: drop_old_sound(days)!
UPDATE clips SET opus = NULL
WHERE opus IS NOT NULL AND created_at < now() - :days::int * interval '1 day';

-- name: drop_old_sessions()!
DELETE FROM sessions WHERE expires_at < now();

-- name: get_clip(id, talk)$
SELECT opus FROM clips WHERE id = :id AND talk_id = :talk;
