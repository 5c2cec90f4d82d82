-- What each talk says now, for search, and in short.

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

-- name: search_newest(user, newest, written, sound, at_most)
-- What is said often was said lately: no index is faster than looking there first.
SELECT newest.*, talks.title
FROM (
    SELECT lines.*
    FROM lines JOIN members ON members.talk_id = lines.talk_id AND members.user_id = :user
    ORDER BY lines.at DESC
    LIMIT :newest
) AS newest
JOIN talks ON talks.id = newest.talk_id
WHERE newest.folded ~ :written OR newest.reading ~ :sound
ORDER BY newest.at DESC
LIMIT :at_most;

-- name: search(user, pieces, written, sounds, sound, at_most)
-- Materialized: by the indexes first, whatever the planner thinks of the rest.
WITH hits AS MATERIALIZED (
    SELECT * FROM lines WHERE kaiwa_pieces(folded) @> :pieces AND folded ~ :written
    UNION ALL
    SELECT * FROM lines
    WHERE array_to_tsvector(kaiwa_pieces(reading)) @@ :sounds::tsquery AND reading ~ :sound
        AND folded !~ :written
)
SELECT hits.*, talks.title
FROM hits
JOIN members ON members.talk_id = hits.talk_id AND members.user_id = :user
JOIN talks ON talks.id = hits.talk_id
ORDER BY hits.at DESC
LIMIT :at_most;

-- name: summaries_of(talk)
SELECT digest, text FROM summaries WHERE talk_id = :talk;

-- name: put_summary(talk, digest, text)!
INSERT INTO summaries (talk_id, digest, text) VALUES (:talk, :digest, :text)
ON CONFLICT (talk_id, digest) DO UPDATE SET text = excluded.text;

-- name: keep_summaries(talk, digests)!
DELETE FROM summaries WHERE talk_id = :talk AND digest <> ALL(:digests::text[]);
