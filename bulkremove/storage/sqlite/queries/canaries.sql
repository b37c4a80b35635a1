-- Confirmed first calls of an operation.

-- name: find_canary
-- The confirmation of an operation of a client on a host.
SELECT client, host, operation, passed_at, by, job FROM canary
WHERE client = :client AND host = :host AND operation = :operation;

-- name: add_canary
-- Record a confirmation, unless there is one.
INSERT INTO canary (client, host, operation, passed_at, by, job)
VALUES (:client, :host, :operation, :passed_at, :by, :job) ON CONFLICT DO NOTHING;

-- name: last_given_up
-- The number of the event with which a person gave up a canary of a client on a host last; 0 if nobody did.
SELECT coalesce(max(event.id), 0) FROM event JOIN job ON job.id = event.job
WHERE name = 'canary_given_up' AND client = :client AND host = :host AND operation = :operation;

-- name: last_removed
-- The row that an operation changed last for a client on a host, or may have, with its last response, if there is one.
-- Only jobs count that were run since an event, or any if that is 0.
SELECT row.job, job.account, row.number, course, batch, row.learner, attempt.http_status, attempt.api_code, coalesce(text, ''),
    person, (SELECT result FROM note WHERE note.job = row.job AND note.position = row.position AND result != ''
        ORDER BY note.id DESC LIMIT 1)
FROM job JOIN row ON row.job = job.id
LEFT JOIN attempt ON attempt.job = row.job AND attempt.position = row.position
WHERE client = :client AND host = :host AND operation = :operation
    AND (row.state IN ('removed', 'removed_inferred', 'enrolled', 'unknown')
    OR (row.state = 'sending' AND job.state IN ('stopped', 'cancelled', 'finished')))
    AND (:event = 0 OR EXISTS (SELECT 1 FROM event WHERE event.job = job.id AND event.id > :event
        AND name IN ('started', 'restored')))
ORDER BY coalesce(sent_at, first_sent_at) DESC LIMIT 1;

-- name: last_removed_and_deleted
-- The newest job of an operation that has changed learners, or may have, and whose rows were deleted since.
-- Only jobs count that were run since an event, or any if that is 0.
SELECT id, account FROM job WHERE client = :client AND host = :host AND operation = :operation AND EXISTS (
        SELECT 1 FROM json_each(totals) WHERE key IN ('removed', 'removed_inferred', 'enrolled', 'unknown') AND value > 0)
    AND (:event = 0 OR EXISTS (SELECT 1 FROM event WHERE event.job = job.id AND event.id > :event
        AND name IN ('started', 'restored')))
ORDER BY created_at DESC, id DESC LIMIT 1;
