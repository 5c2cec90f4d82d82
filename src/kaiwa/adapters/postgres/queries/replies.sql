-- Replies, what was heard of them, and the floor.

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

-- name: reply_of_owner(talk, owner)$
SELECT id FROM replies WHERE talk_id = :talk AND owner = :owner AND NOT finished;

-- name: finish_orphan(reply, lease)$
UPDATE replies SET finished = true
WHERE id = :reply AND NOT finished
  AND renewed_at < now() - :lease::int * interval '1 second'
RETURNING id;

-- name: orphaned_replies(lease)
SELECT id, talk_id FROM replies
WHERE NOT finished AND renewed_at < now() - :lease::int * interval '1 second';

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
