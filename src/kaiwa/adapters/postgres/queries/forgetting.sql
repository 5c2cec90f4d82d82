-- What is erased: a talk that is deleted, and what is kept no longer.

-- name: forget_talk(talk)!
UPDATE talks
SET deleted_at = now(), title = '', instructions = '', vocabulary = '', agent_name = ''
WHERE id = :talk;

-- name: forget_events(talk)!
-- The seq numbers stay as tombstones.
UPDATE events SET payload = '{}'
WHERE talk_id = :talk AND payload ->> 'type' <> 'talk.deleted';

-- name: forget_lines(talk)!
DELETE FROM lines WHERE talk_id = :talk;

-- name: forget_clips(talk)!
DELETE FROM clips WHERE talk_id = :talk;

-- name: forget_recordings(talk)!
DELETE FROM recordings WHERE talk_id = :talk;

-- name: forget_replies(talk)!
UPDATE replies SET finished = true WHERE talk_id = :talk AND NOT finished;

-- name: forget_invites(talk)!
DELETE FROM invites WHERE talk_id = :talk;

-- name: may_sweep(key)$
SELECT pg_try_advisory_xact_lock(:key);

-- name: sweep_talks()
-- The talks that have something to erase, locked, as whoever appends to them locks them.
UPDATE talks SET erasures = erasures + 1
WHERE retention_days > 0 AND EXISTS (
    SELECT FROM events
    WHERE talk_id = talks.id
      AND payload ->> 'type' IN ('utterance.final', 'reply.started', 'talk.updated')
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

-- name: sweep_changes()!
-- What a talk was called and what its agent was told before; what holds now is with the talk.
UPDATE events SET payload = '{}' FROM talks
WHERE talks.id = events.talk_id AND retention_days > 0
  AND payload ->> 'type' = 'talk.updated'
  AND (payload ->> 'at')::timestamptz < now() - retention_days * interval '1 day';

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
