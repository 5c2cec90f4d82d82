-- Clips of the agent's voice, and recordings of people's.

-- name: put_clip(id, voice, opus, talk)$
-- Waits for a deletion that is going on, and then stores nothing.
INSERT INTO clips (id, talk_id, voice, opus)
SELECT :id, id, :voice, :opus FROM talks WHERE id = :talk AND deleted_at IS NULL FOR SHARE
ON CONFLICT (id) DO UPDATE SET voice = excluded.voice, opus = excluded.opus, created_at = now()
WHERE clips.talk_id = :talk
RETURNING id;

-- name: get_clip(id, talk)$
SELECT opus FROM clips WHERE id = :id AND talk_id = :talk;

-- name: clip_voice(id, talk)$
SELECT voice FROM clips WHERE id = :id AND talk_id = :talk;

-- name: clip_text(talk, clip)$
SELECT payload ->> 'text' FROM events
WHERE talk_id = :talk AND payload ->> 'type' = 'reply.clause' AND payload ->> 'clip' = :clip;

-- name: put_recording(talk, utterance, at, opus)$
-- Inside the append, which holds the talk's row: what is switched off stores nothing more.
INSERT INTO recordings (talk_id, utterance_id, at, opus)
SELECT id, :utterance, :at, :opus FROM talks WHERE id = :talk AND recording
RETURNING true;

-- name: get_recording(talk, utterance)$
SELECT opus FROM recordings WHERE talk_id = :talk AND utterance_id = :utterance;
