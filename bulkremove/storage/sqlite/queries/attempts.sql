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
