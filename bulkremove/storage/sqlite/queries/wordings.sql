-- Accepted wordings, and the evidence for accepting one.

-- name: list_wordings
-- All accepted wordings.
SELECT client, host, http_status, api_code, message, accepted_at, by, job, number FROM wording ORDER BY number;

-- name: accept_wording
-- Accept a wording, unless it is accepted.
INSERT INTO wording (client, host, http_status, api_code, message, accepted_at, by, job)
VALUES (:client, :host, :http_status, :api_code, :message, :accepted_at, :by, :job) ON CONFLICT DO NOTHING;

-- name: withdraw_wording
-- Withdraw an accepted wording.
DELETE FROM wording WHERE number = :number;

-- name: withdraw_all_wordings
-- Withdraw all accepted wordings.
DELETE FROM wording;

-- name: wordings_of_row
-- The numbers of the accepted wordings that a row was answered with.
SELECT DISTINCT wording.number FROM attempt JOIN job ON job.id = attempt.job
JOIN wording ON wording.client = job.client AND wording.host = job.host
    AND wording.http_status = attempt.http_status AND wording.api_code = attempt.api_code AND message = text
WHERE attempt.job = :job AND position = :position AND response_kind IN ('other_wording', 'accepted_wording');

-- name: jobs_proved_by
-- The jobs with rows that only an accepted wording proves to be removed, and the number of these rows.
-- An erased answer may have been any wording.
SELECT row.job, job.account, count(*) FROM wording JOIN job USING (client, host) JOIN row ON row.job = job.id
WHERE wording.number = :number AND row.state = 'removed' AND EXISTS (SELECT 1 FROM attempt
    WHERE attempt.job = row.job AND attempt.position = row.position AND response_kind = 'accepted_wording'
        AND attempt.http_status = wording.http_status AND attempt.api_code = wording.api_code AND text IN (message, ''))
GROUP BY row.job;

-- name: get_account
-- The account of a job.
SELECT account FROM job WHERE id = :job;

-- name: unsettle_proved_by
-- Make the rows of a job unknown that only an accepted wording proves to be removed.
UPDATE row SET state = 'unknown', detail = :detail || detail WHERE job = :job AND state = 'removed' AND EXISTS (
    SELECT 1 FROM attempt JOIN wording ON wording.number = :number
    WHERE attempt.job = row.job AND attempt.position = row.position AND response_kind = 'accepted_wording'
        AND attempt.http_status = wording.http_status AND attempt.api_code = wording.api_code AND text IN (message, ''));

-- name: proves
-- Whether a wording is accepted for the client and host of a job.
SELECT 1 FROM wording JOIN job USING (client, host)
WHERE job.id = :job AND http_status = :http_status AND api_code = :api_code AND message = :message;

-- name: rows_with_wording
-- The rows of a job that were answered in other words, the last words first.
SELECT position, row.number, account, client, host, attempt.http_status, attempt.api_code, text FROM job
JOIN row ON row.job = job.id JOIN attempt USING (job, position)
WHERE job.id = :job AND response_kind = 'other_wording' AND (:number = 0 OR row.number = :number)
ORDER BY position, attempt.number DESC;

-- name: has_other_response
-- Whether an attempt to remove a row's learner, in whichever job on the host, was answered in another way.
SELECT 1 FROM row JOIN row AS same ON same.learner = row.learner AND same.batch = row.batch AND same.course = row.course
JOIN job ON job.id = same.job JOIN attempt ON attempt.job = same.job AND attempt.position = same.position
WHERE row.job = :job AND row.position = :position AND host = :host
    AND NOT (coalesce(response_kind, '') IN ('other_wording', 'accepted_wording')
        AND attempt.http_status IS :http_status AND attempt.api_code IS :api_code AND text = :message);

-- name: looked_up_rows
-- What people found about the rows of a client that came with a wording, and who.
-- Each time that a learner was still there, since one who is taken off by hand later proves nothing.
-- "Gone" only as the last finding, and after the last attempt.
SELECT note.job, job.account, row.number, result, author FROM note JOIN job ON job.id = note.job
JOIN row ON row.job = note.job AND row.position = note.position
WHERE client = :client AND host = :host AND (result = 'still_there' OR (result = 'gone' AND note.id = (
        SELECT max(id) FROM note AS other WHERE other.job = note.job AND other.position = note.position AND result != '')
    AND note.at >= (SELECT max(sent_at) FROM attempt WHERE attempt.job = note.job AND attempt.position = note.position)))
    AND EXISTS (SELECT 1 FROM attempt WHERE attempt.job = note.job AND attempt.position = note.position
        AND response_kind IN ('other_wording', 'accepted_wording')
        AND attempt.http_status = :http_status AND attempt.api_code = :api_code AND attempt.text = :message)
ORDER BY note.id;

-- name: count_learners_with_wording
-- For how many learners of a client a wording came.
SELECT count(DISTINCT row.learner) FROM attempt JOIN row USING (job, position) JOIN job ON job.id = attempt.job
WHERE response_kind = 'other_wording' AND client = :client AND host = :host
    AND attempt.http_status = :http_status AND attempt.api_code = :api_code AND text = :message;
