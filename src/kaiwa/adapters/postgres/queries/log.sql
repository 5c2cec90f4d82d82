-- The log of each talk, and its captures.

-- name: take_seq(talk)$
-- Locks the talk's row, so that seq has no gaps and no reader can skip a late commit.
UPDATE talks SET seq = seq + 1, updated_at = now()
WHERE id = :talk AND deleted_at IS NULL
RETURNING seq;

-- name: lock_talk(talk)$
SELECT seq FROM talks WHERE id = :talk AND deleted_at IS NULL FOR UPDATE;

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

-- name: erasures(talk)$
SELECT erasures FROM talks WHERE id = :talk AND deleted_at IS NULL;

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
