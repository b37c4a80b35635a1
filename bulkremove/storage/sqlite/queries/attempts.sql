-- Attempts: physical requests, each written before a byte is sent.

-- name: insert_attempt
-- Write an attempt before its request is sent.
INSERT INTO attempt (job, position, number, ledger, sent_at, sent_mono, boot)
VALUES (:job, :position, :number, :ledger, :sent_at, :sent_mono, :boot);

-- name: close_attempt
-- Set the raw outcome of an attempt.
UPDATE attempt SET answered_at = :at, response_kind = :response_kind, http_status = :http_status, api_code = :api_code,
    text = :text, learner = :learner WHERE job = :job AND position = :position AND number = :number;

-- name: delete_attempt
-- Delete an attempt of which no byte was sent.
DELETE FROM attempt WHERE job = :job AND position = :position AND number = :number;

-- name: list_attempts
-- The attempts for the rows between two positions.
SELECT position, number, sent_at, sent_mono, boot, response_kind, http_status, api_code, text FROM attempt
WHERE job = :job AND position BETWEEN :first AND :last ORDER BY position, number;

-- name: send_times
-- When the account's calls since a time of this boot were made, in ascending order.
SELECT sent_mono FROM attempt WHERE ledger = :ledger AND boot = :boot AND sent_mono >= :since ORDER BY sent_mono;

-- name: count_since
-- The number of calls of the account since a time, with those that a journal restored since then may have lost.
SELECT count(*) + (SELECT coalesce(sum(calls), 0) FROM restore WHERE at >= :then) FROM attempt
WHERE ledger = :ledger AND sent_at >= :then;

-- name: calls_ahead
-- The calls of the account that were made, as it seems, after a time.
SELECT sent_mono, boot FROM attempt WHERE ledger = :ledger AND sent_at > :then;

-- name: nth_last_call
-- When the n-th last call of the account until a time was made.
SELECT sent_at FROM attempt WHERE ledger = :ledger AND sent_at <= :until ORDER BY sent_at DESC LIMIT 1 OFFSET :n - 1;

-- name: last_calls
-- When the n last calls of the account until a time were made, the newest first.
SELECT sent_at FROM attempt WHERE ledger = :ledger AND sent_at <= :until ORDER BY sent_at DESC LIMIT :n;

-- name: count_response_kinds
-- How many attempts of a job got which kind of response, without a "not found" that proved a removal.
SELECT response_kind, count(*) FROM attempt JOIN row USING (job, position) WHERE job = :job
    AND response_kind IS NOT NULL AND NOT (response_kind = 'not_found' AND state = 'removed_inferred')
GROUP BY response_kind;

-- name: first_call_after
-- When the job's first call after a time was made.
SELECT min(sent_at) FROM attempt WHERE job = :job AND sent_at > :then;

-- name: delete_some_attempts
-- Delete the attempts for the first rows of a job.
DELETE FROM attempt WHERE job = :job AND position IN (SELECT position FROM row WHERE job = :job ORDER BY position
    LIMIT :limit);
