-- Talks, their members and invites.

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
    CASE WHEN talks.title = '' THEN (
        SELECT left(text, 80) FROM lines
        WHERE talk_id = talks.id AND NOT reply
        ORDER BY seq
        LIMIT 1
    ) END AS first_words
FROM talks JOIN members ON members.talk_id = talks.id
WHERE members.user_id = :user AND talks.deleted_at IS NULL
ORDER BY talks.updated_at DESC;

-- name: talk_for(talk, user)^
SELECT talks.*, members.role, members.archived,
    CASE WHEN talks.title = '' THEN (
        SELECT left(text, 80) FROM lines
        WHERE talk_id = talks.id AND NOT reply
        ORDER BY seq
        LIMIT 1
    ) END AS first_words
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

-- name: archive_talk(archived, talk, user)$
UPDATE members SET archived = :archived WHERE talk_id = :talk AND user_id = :user RETURNING user_id;

-- name: members_of(talk)
SELECT users.id, users.name, members.role FROM members JOIN users ON users.id = members.user_id
WHERE members.talk_id = :talk ORDER BY members.joined_at, users.name;

-- name: put_member(talk, user, role)!
INSERT INTO members (talk_id, user_id, role) VALUES (:talk, :user, :role)
ON CONFLICT (talk_id, user_id) DO UPDATE SET role = excluded.role;

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
