-- Nightly runs, the files that they took, and the outbox of notices.

-- name: begin_run
-- Record the start of a nightly run.
INSERT INTO nightly_run (date, night, sandbox, started_at) VALUES (:date, :night, :sandbox, :at);

-- name: end_run
-- Record the end of a nightly run; the name of its night.
UPDATE nightly_run SET ended_at = :at, good = :good, end_code = :end, clock_skew = :clock_skew WHERE id = :run
RETURNING night;

-- name: last_date
-- The local date of the last run of a night that was started or left out, for Zoho or for a sandbox.
SELECT date FROM nightly_run WHERE night = :night AND sandbox = :sandbox ORDER BY id DESC LIMIT 1;

-- name: last_run
-- The run of a night that was started or left out last, for Zoho or for a sandbox.
SELECT started_at, ended_at, end_code, clock_skew FROM nightly_run WHERE night = :night AND sandbox = :sandbox
ORDER BY id DESC LIMIT 1;

-- name: last_good
-- When the last successful run of a night ended, for Zoho or for a sandbox.
SELECT ended_at FROM nightly_run WHERE good = 1 AND night = :night AND sandbox = :sandbox ORDER BY id DESC LIMIT 1;

-- name: killed_runs
-- When the runs of a night began that have not ended, since the last one that has; the oldest first.
SELECT started_at FROM nightly_run WHERE night = :night AND sandbox = :sandbox AND id > coalesce(
    (SELECT max(id) FROM nightly_run WHERE night = :night AND sandbox = :sandbox AND ended_at IS NOT NULL), 0) ORDER BY id;

-- name: planned_removals
-- How many removals the jobs have that a night made since a time, without those that wait for an approval.
SELECT count(*) FROM job JOIN row ON row.job = job.id WHERE night = :night AND host = :host AND created_at >= :since
    AND confirmed_by != '' AND job.state != 'storing' AND row.state NOT IN (
        'duplicate', 'invalid', 'done_before', 'not_enrolled', 'identity_mismatch');

-- name: recent_sizes
-- How many learners a client's jobs of each of the last runs of a night have removed, the newest first, without none.
SELECT sum(removed) FROM (
    SELECT created_at, coalesce(
        (SELECT id FROM nightly_run WHERE started_at <= job.created_at AND night = :night AND sandbox = :sandbox
         ORDER BY id DESC LIMIT 1),
        job.id) AS run, CASE WHEN totals IS NULL
        THEN (SELECT count(*) FROM row WHERE row.job = job.id AND state IN ('removed', 'removed_inferred'))
        ELSE (SELECT sum(value) FROM json_each(totals) WHERE key IN ('removed', 'removed_inferred')) END AS removed
    FROM job WHERE night = :night AND client = :client AND host = :host AND created_at < :before
        AND state IN ('finished', 'stopped', 'cancelled', 'paused'))
GROUP BY run HAVING sum(removed) > 0 ORDER BY max(created_at) DESC LIMIT :limit;

-- name: get_taken
-- The record of a content that a night has taken.
SELECT digest, name, taken_at, place, job, held FROM taken
WHERE digest = :digest AND night = :night AND sandbox = :sandbox;

-- name: newest_taken
-- The content that a night has taken last.
SELECT digest FROM taken WHERE night = :night AND sandbox = :sandbox
    AND taken_at <= :now + 86400 ORDER BY taken_at DESC LIMIT 1;

-- name: take
-- Record that a content is taken; clear the result if it was taken before.
INSERT INTO taken (digest, night, sandbox, name, place, taken_at)
VALUES (:digest, :night, :sandbox, :name, :place, :at)
ON CONFLICT (digest, night, sandbox) DO UPDATE SET name = excluded.name, place = excluded.place,
    taken_at = excluded.taken_at, job = NULL, held = '';

-- name: set_result
-- Set what became of a content: its job, and why it was held.
UPDATE taken SET job = :job, held = :held WHERE digest = :digest AND night = :night AND sandbox = :sandbox;

-- name: insert_notice
-- Add a notice to the outbox unless there was one of its night with the same key before.
INSERT INTO notice (key, night, at, subject, body, attachment, next_at)
VALUES (:key, :night, :at, :subject, :body, :attachment, :at) ON CONFLICT DO NOTHING;

-- name: due_notices
-- The unsent notices of a night that are due, the oldest first; also those that a clock that was wrong has put off for days.
SELECT key, subject, body, attachment, at, night, tries, had FROM notice
WHERE night = :night AND sent_at IS NULL AND (next_at <= :now OR next_at > :now + 86400) ORDER BY at, key;

-- name: count_waiting
-- The number of unsent notices by night.
SELECT night, count(*) FROM notice WHERE sent_at IS NULL GROUP BY night;

-- name: notice_sent
-- Record that a notice was sent.
UPDATE notice SET sent_at = :at WHERE key = :key AND night = :night;

-- name: notice_failed
-- Record that a notice could not be sent to all addresses, which of them have it, and when it is due again.
UPDATE notice SET tries = tries + 1, had = :had, next_at = :next_at WHERE key = :key AND night = :night;

-- name: delete_waiting_notices
-- Delete unsent notices of a restored copy: they may have been sent since it was made, or may no longer be true.
DELETE FROM notice WHERE sent_at IS NULL;
