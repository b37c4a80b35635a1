-- Nightly runs, the files they took, and the outbox of notices.

-- name: begin_run
-- A nightly run starts.
INSERT INTO nightly_run (date, started_at) VALUES (:date, :at);

-- name: end_run
-- A nightly run is over.
UPDATE nightly_run SET ended_at = :at, good = :good WHERE id = :run;

-- name: last_date
-- The local date of the last nightly run that started.
SELECT date FROM nightly_run ORDER BY id DESC LIMIT 1;

-- name: last_good
-- When the last good nightly run ended.
SELECT max(ended_at) FROM nightly_run WHERE good = 1;

-- name: recent_sizes
-- How many rows each of the last nightly jobs that ran was to remove, the newest first.
SELECT CASE WHEN totals IS NULL
    THEN (SELECT count(*) FROM row WHERE row.job = job.id AND state NOT IN ('duplicate', 'invalid', 'done_before'))
    ELSE (SELECT sum(value) FROM json_each(totals) WHERE key NOT IN ('duplicate', 'invalid', 'done_before')) END
FROM job WHERE origin = 'nightly' AND state IN ('finished', 'stopped', 'paused', 'running')
ORDER BY created_at DESC LIMIT :limit;

-- name: get_taken
-- What became of a content.
SELECT digest, name, taken_at, place, job, held FROM taken WHERE digest = :digest;

-- name: take
-- A content is taken, or taken anew.
INSERT INTO taken (digest, name, place, taken_at) VALUES (:digest, :name, :place, :at)
ON CONFLICT (digest) DO UPDATE SET name = excluded.name, place = excluded.place, taken_at = excluded.taken_at,
    job = NULL, held = '';

-- name: set_result
-- What a content has become.
UPDATE taken SET job = :job, held = :held WHERE digest = :digest;

-- name: insert_notice
-- Put a notice into the outbox unless one of that key was put there before.
INSERT INTO notice (key, at, subject, body, attachment, next_at)
VALUES (:key, :at, :subject, :body, :attachment, :at) ON CONFLICT DO NOTHING;

-- name: due_notices
-- The notices that are to be sent now, the oldest first.
SELECT key, at, subject, body, attachment, tries FROM notice WHERE sent_at IS NULL AND next_at <= :now ORDER BY at, key;

-- name: count_waiting
-- How many notices were not sent yet.
SELECT count(*) FROM notice WHERE sent_at IS NULL;

-- name: notice_sent
-- A notice was taken by its addresses.
UPDATE notice SET sent_at = :at WHERE key = :key;

-- name: notice_failed
-- A notice could not be sent; it is tried again.
UPDATE notice SET tries = tries + 1, next_at = :next_at WHERE key = :key;

-- name: delete_waiting_notices
-- What was to be told when a copy was made may have been told since, or be true no more.
DELETE FROM notice WHERE sent_at IS NULL;
