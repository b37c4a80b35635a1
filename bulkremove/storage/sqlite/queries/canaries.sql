-- Confirmed first removals.

-- name: find_canary
-- The confirmation of a client on a host.
SELECT client, host, passed_at, by, job FROM canary WHERE client = :client AND host = :host;

-- name: add_canary
-- Record a confirmation, unless there is one.
INSERT INTO canary (client, host, passed_at, by, job) VALUES (:client, :host, :passed_at, :by, :job) ON CONFLICT DO NOTHING;

-- name: last_removed
-- The row that was removed last for a client on a host, or may have been, with its last response.
SELECT row.job, row.number, course, batch, row.learner, attempt.http_status, attempt.api_code, text
FROM job JOIN row ON row.job = job.id JOIN attempt ON attempt.job = row.job AND attempt.position = row.position
WHERE client = :client AND host = :host AND (row.state IN ('removed', 'removed_inferred', 'unknown')
    OR (row.state = 'sending' AND job.state IN ('stopped', 'cancelled', 'finished')))
ORDER BY sent_at DESC LIMIT 1;
