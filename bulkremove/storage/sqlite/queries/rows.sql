-- The rows of jobs. In a job that is over, a row in state 'pending' counts as not sent, one in 'sending' as unknown.

-- name: insert_row
-- Add a row of a plan.
INSERT INTO row (job, position, number, cells, course, batch, learner, state, detail, person)
VALUES (:job, :position, :number, :cells, :course, :batch, :learner, :state, :detail, :person);

-- name: page_of_rows
-- The rows after a position, in file order.
SELECT position, number, cells, state, detail, http_status, api_code, attempts, first_sent_at, finished_at,
    learner, person FROM row
WHERE job = :job AND position > :after ORDER BY position LIMIT :limit;

-- name: search_rows
-- A page of the rows after a position, in some states and with a text in a cell, or in what is known of the person, in file order.
SELECT position, number, cells, state, detail, http_status, api_code, attempts, first_sent_at, finished_at,
    learner, person FROM row
WHERE job = :job AND position > :after AND state IN (SELECT value FROM json_each(:states)) AND (:text = '' OR holds(cells, :text)
    OR holds(json_array(coalesce(learner, ''), coalesce(person ->> '$.name', ''), coalesce(person ->> '$.email', ''),
        coalesce(person ->> '$.employee_id', '')), :text))
ORDER BY position LIMIT :limit OFFSET :offset;

-- name: page_of_open_rows
-- The rows in one of the two open states after a position, in file order.
SELECT position, number, course, batch, learner FROM row
WHERE job = :job AND position > :after AND state = :state ORDER BY position LIMIT :limit;

-- name: count_by_state
-- The number of rows of some jobs in each state.
SELECT job, state, count(*) FROM row WHERE job IN (SELECT value FROM json_each(:jobs)) GROUP BY job, state;

-- name: count_all_by_state
-- The number of rows of all jobs of some hosts and accounts in each state, and whether their job is over.
SELECT row.state, job.state IN ('stopped', 'cancelled', 'finished'), count(*)
FROM row JOIN job ON job.id = row.job WHERE job.state != 'storing' AND totals IS NULL
    AND host IN (SELECT value FROM json_each(:hosts)) AND (:every_account OR account IN (SELECT value FROM json_each(:accounts)))
GROUP BY 1, 2;

-- name: list_numbers
-- The numbers of all rows of a job, as the spreadsheet shows them.
SELECT number FROM row WHERE job = :job;

-- name: unknown_row
-- The position of the row with this number, if it is unknown, or was removed by the word of a person only.
SELECT position FROM row JOIN job ON job.id = row.job WHERE job = :job AND number = :number AND totals IS NULL
    AND (row.state = 'unknown' OR (row.state = 'sending' AND job.state IN ('stopped', 'cancelled', 'finished'))
        OR (row.state = 'removed' AND EXISTS (SELECT 1 FROM attempt WHERE attempt.job = row.job
            AND attempt.position = row.position AND response_kind = 'accepted_wording')));

-- name: count_unknown_without_note
-- The number of unknown rows without a note.
SELECT count(*) FROM row JOIN job ON job.id = row.job WHERE job = :job
    AND (row.state = 'unknown' OR (row.state = 'sending' AND job.state IN ('stopped', 'cancelled', 'finished')))
    AND NOT EXISTS (SELECT 1 FROM note WHERE note.job = row.job AND note.position = row.position);

-- name: removal_times
-- When each removal or enrolment of the job was settled, in ascending order.
SELECT finished_at FROM row WHERE job = :job AND state IN ('removed', 'removed_inferred', 'enrolled') ORDER BY 1;

-- name: send_row
-- Record that an attempt for a row begins.
UPDATE row SET state = 'sending', attempts = attempts + 1, first_sent_at = coalesce(first_sent_at, :at)
WHERE job = :job AND position = :position AND state IN ('pending', 'sending');

-- name: note_response
-- Set the HTTP status and API code of the last response for a row.
UPDATE row SET http_status = :http_status, api_code = :api_code WHERE job = :job AND position = :position;

-- name: withdraw_attempt
-- Undo what an attempt changed whose request was never sent.
UPDATE row SET state = CASE attempts WHEN 1 THEN 'pending' ELSE state END, attempts = attempts - 1,
    first_sent_at = CASE attempts WHEN 1 THEN NULL ELSE first_sent_at END WHERE job = :job AND position = :position;

-- name: settle_row
-- Set the state of a row that is not settled; a settled row never changes.
UPDATE row SET state = :state, detail = :detail, finished_at = :at
WHERE job = :job AND position = :position AND state IN ('pending', 'sending');

-- name: count_open_up_to
-- The number of unsettled rows up to a position, in a job that is not over.
SELECT count(*) FROM row JOIN job ON job.id = row.job WHERE job = :job AND position <= :position
    AND row.state IN ('pending', 'sending') AND job.state NOT IN ('storing', 'stopped', 'cancelled', 'finished');

-- name: settle_up_to
-- Make unsettled rows up to a position unknown: they may have been sent by a journal that was lost.
UPDATE row SET state = 'unknown', detail = :detail, finished_at = :at, attempts = max(attempts, 1),
    first_sent_at = coalesce(first_sent_at, :at)
WHERE job = :job AND position <= :position AND state IN ('pending', 'sending')
    AND (SELECT state FROM job WHERE id = row.job) NOT IN ('storing', 'stopped', 'cancelled', 'finished');

-- name: delete_some_rows
-- Delete the first rows of a job.
DELETE FROM row WHERE job = :job AND position IN (SELECT position FROM row WHERE job = :job ORDER BY position
    LIMIT :limit);

-- name: jobs_to_delete_rows_of
-- Jobs whose totals were kept but whose rows are not all deleted yet.
SELECT id FROM job WHERE totals IS NOT NULL AND EXISTS (SELECT 1 FROM row WHERE row.job = job.id);

-- name: open_rows_of_account
-- The ids of the rows that an organisation's jobs of an operation may still send, with the job and its account.
SELECT course, batch, learner, job.id, account FROM row JOIN job ON job.id = row.job
WHERE host = :host AND operation = :operation AND client IN (SELECT other FROM same_organization WHERE client = :client AND host = :host)
    AND (job.state IN ('ready', 'running', 'paused')
        OR (job.state = 'held' AND (job.due_at IS NOT NULL OR job.last_run_at >= :held_since)))
    AND row.state IN ('pending', 'sending');

-- name: settled_elsewhere
-- Another job of the organisation that has done the same for a row, or may have, since the job was planned.
-- A job that was made later has done so, whatever the times: a clock may have been wrong.
-- The id of a job of another account is not told: the texts made of it are for the people of this one.
-- What a person found last counts for an unknown row; without that, those that this job sends again don't count.
-- A removal is seen by a learner who is gone, an enrolment by one who is there.
WITH RECURSIVE retried(id) AS (SELECT retry_of FROM job WHERE id = :job AND retry_of IS NOT NULL
    UNION SELECT retry_of FROM job JOIN retried USING (id) WHERE retry_of IS NOT NULL)
SELECT CASE job.account WHEN mine.account THEN other.job ELSE '' END, other.number, other.state, (SELECT result FROM note WHERE note.job = other.job
    AND note.position = other.position AND result != '' ORDER BY note.id DESC LIMIT 1) AS found, other.finished_at
FROM row AS other JOIN job ON job.id = other.job JOIN job AS mine ON mine.id = :job
WHERE other.learner = :learner AND other.batch = :batch AND other.course = :course AND other.job != :job
    AND job.host = mine.host AND job.operation = mine.operation
    AND job.client IN (SELECT other FROM same_organization AS own WHERE own.client = mine.client AND own.host = mine.host)
    AND (other.state IN ('removed', 'removed_inferred', 'not_found', 'enrolled')
        OR ((other.state = 'unknown' OR (other.state = 'sending' AND job.state IN ('stopped', 'cancelled', 'finished')))
            AND (found = iif(mine.operation = 'enrol learner in batch', 'still_there', 'gone') OR (found IS NULL AND other.job NOT IN retried))))
    AND (coalesce(other.finished_at, job.finished_at) >= mine.planned_at OR job.rowid > mine.rowid)
ORDER BY other.state IN ('unknown', 'sending') AND found IS NULL, other.finished_at DESC LIMIT 1;

-- name: removed_before
-- Which of some removals a job of an organisation has made, the newest last; those that Zoho confirmed have state removed.
SELECT row.course, row.batch, row.learner, job.id, job.account, coalesce(row.finished_at, job.finished_at),
    coalesce(row.person ->> '$.record_number', ''), row.state
FROM json_each(:removals) AS wanted
JOIN row ON row.learner = wanted.value ->> '$[2]' AND row.batch = wanted.value ->> '$[1]' AND row.course = wanted.value ->> '$[0]'
JOIN job ON job.id = row.job
WHERE job.operation = 'remove learner from batch' AND job.host = :host
    AND (row.state IN ('removed', 'removed_inferred') OR (row.state IN ('unknown', 'sending') AND 'gone' = (SELECT result FROM note
        WHERE note.job = row.job AND note.position = row.position AND result != '' ORDER BY note.id DESC LIMIT 1)))
    AND job.client IN (SELECT other FROM same_organization WHERE client = :client AND host = :host)
ORDER BY 6;

-- name: put_back_since
-- A job that was made to enrol the learner of a removal again, after the removal's job was planned.
-- Whatever became of it, somebody wants the person in the batch, also where it said to enrol them by hand; but not where it
-- was cancelled before its first call. By the learner id that they had, or by the record number: who came back has another
-- learner id. The ids of a row that was not sent are in its cells only. Of a row that the plan settled, the time is that
-- at which the job was made. The + takes the type away: an index on an expression has none.
WITH own AS MATERIALIZED (SELECT +learner AS learner, person ->> '$.record_number' AS record_number FROM row
    WHERE job = :job AND position = :position)
SELECT CASE job.account WHEN mine.account THEN other.job ELSE '' END, other.number,
    iif(other.state IN ('already_enrolled', 'done_before', 'invalid', 'duplicate'), job.created_at, other.finished_at) AS finished_at
FROM job AS mine CROSS JOIN own CROSS JOIN row AS other ON (other.person ->> '$.id' = own.learner
    OR other.learner = own.record_number OR other.person ->> '$.record_number' = own.record_number)
JOIN job ON job.id = other.job
WHERE mine.id = :job AND job.operation = 'enrol learner in batch' AND mine.operation = 'remove learner from batch'
    AND coalesce(other.batch, other.cells ->> '$[1]') = :batch
    AND coalesce(other.course, other.cells ->> '$[0]') = :course AND job.host = mine.host AND job.state != 'storing'
    AND job.client IN (SELECT other FROM same_organization AS own WHERE own.client = mine.client AND own.host = mine.host)
    AND (other.state IN ('enrolled', 'already_enrolled', 'done_before', 'refused', 'unknown', 'sending', 'invalid', 'duplicate')
        OR (other.state = 'pending' AND (job.state != 'cancelled'
            OR EXISTS (SELECT 1 FROM attempt WHERE attempt.job = job.id))))
    AND (job.rowid > mine.rowid OR job.created_at >= mine.planned_at)
ORDER BY 3 DESC NULLS FIRST LIMIT 1;

-- name: rows_put_back_since
-- The rows of a job whose learner a job was made to put back after that one was planned, each with this job.
WITH own AS MATERIALIZED (SELECT number, course, batch, +learner AS learner, person ->> '$.record_number' AS record_number FROM row
    WHERE job = :job)
SELECT own.number, job.id, job.account, other.state, other.finished_at FROM job AS mine CROSS JOIN own
CROSS JOIN row AS other ON (other.person ->> '$.id' = own.learner OR other.learner = own.record_number
    OR other.person ->> '$.record_number' = own.record_number)
JOIN job ON job.id = other.job
WHERE mine.id = :job AND coalesce(other.batch, other.cells ->> '$[1]') = own.batch
    AND coalesce(other.course, other.cells ->> '$[0]') = own.course AND job.operation = 'enrol learner in batch' AND mine.operation = 'remove learner from batch'
    AND job.host = mine.host AND job.state != 'storing'
    AND job.client IN (SELECT other FROM same_organization WHERE same_organization.client = mine.client
        AND same_organization.host = mine.host)
    AND (other.state IN ('enrolled', 'already_enrolled', 'done_before', 'refused', 'unknown', 'sending', 'invalid', 'duplicate')
        OR (other.state = 'pending' AND (job.state != 'cancelled'
            OR EXISTS (SELECT 1 FROM attempt WHERE attempt.job = job.id))))
    AND (job.rowid > mine.rowid OR job.created_at >= mine.planned_at);

-- name: people_put_back
-- Whom of some removals a job of an organisation was made to put back, with this job, the newest last.
-- Not those whom a job that was made later has removed, or has not found. By the learner id that they had, or by the record
-- number.
SELECT wanted.value ->> '$[0]', wanted.value ->> '$[1]', wanted.value ->> '$[2]', job.id, job.account
FROM json_each(:removals) AS wanted CROSS JOIN row AS back ON (back.person ->> '$.id' = wanted.value ->> '$[2]'
    OR back.learner = wanted.value ->> '$[3]' OR back.person ->> '$.record_number' = wanted.value ->> '$[3]')
JOIN job ON job.id = back.job
WHERE coalesce(back.batch, back.cells ->> '$[1]') = wanted.value ->> '$[1]'
    AND coalesce(back.course, back.cells ->> '$[0]') = wanted.value ->> '$[0]'
    AND job.operation = 'enrol learner in batch' AND job.host = :host AND job.state != 'storing'
    AND job.client IN (SELECT other FROM same_organization WHERE client = :client AND host = :host)
    AND (back.state IN ('enrolled', 'already_enrolled', 'done_before', 'refused', 'unknown', 'sending', 'invalid', 'duplicate')
        OR (back.state = 'pending' AND (job.state != 'cancelled'
            OR EXISTS (SELECT 1 FROM attempt WHERE attempt.job = job.id))))
    AND NOT EXISTS (SELECT 1 FROM row AS gone JOIN job AS later ON later.id = gone.job
        WHERE gone.learner = wanted.value ->> '$[2]' AND gone.batch = wanted.value ->> '$[1]'
            AND gone.course = wanted.value ->> '$[0]' AND gone.state IN ('removed', 'removed_inferred', 'not_found')
            AND later.operation = 'remove learner from batch' AND later.host = :host AND later.rowid > job.rowid)
ORDER BY job.rowid;

-- name: rows_removed_since
-- The rows of a job that put people back who were removed by a job that was made after it, each with this job.
SELECT own.number, job.id, job.account, other.state, other.finished_at FROM row AS own
JOIN row AS other ON (other.learner = own.person ->> '$.id' OR other.person ->> '$.record_number' = own.learner)
JOIN job ON job.id = other.job JOIN job AS mine ON mine.id = own.job
WHERE own.job = :job AND job.operation = 'remove learner from batch' AND mine.operation = 'enrol learner in batch'
    AND job.host = mine.host AND job.rowid > mine.rowid AND other.batch = own.batch AND other.course = own.course
    AND job.client IN (SELECT other FROM same_organization WHERE same_organization.client = mine.client
        AND same_organization.host = mine.host)
    AND other.state IN ('removed', 'removed_inferred', 'unknown');

-- name: rows_of_people_since
-- What jobs did later with the people of some rows of a job, or may have, the oldest first; each with what a person saw last.
-- By the learner id that they had, or by the record number. A row that was being sent when its job ended is unknown. A job
-- that retries or undoes another one is the later one, whatever the times: a clock may have been wrong.
WITH own AS (SELECT row.number, row.course, row.batch, coalesce(row.finished_at, mine.finished_at) AS finished_at,
        mine.rowid AS made, mine.host, mine.client, mine.retry_of,
        nullif(iif(mine.operation = 'enrol learner in batch', row.person ->> '$.id', row.learner), '') AS learner,
        nullif(iif(mine.operation = 'enrol learner in batch', row.learner, row.person ->> '$.record_number'), '') AS record_number
    FROM row JOIN job AS mine ON mine.id = row.job WHERE row.job = :job
        AND (row.finished_at IS NOT NULL OR row.state = 'sending') AND row.position IN (SELECT value FROM json_each(:positions)))
SELECT own.number, job.id, job.account, job.operation, iif(other.state = 'sending', 'unknown', other.state) AS state,
    iif(other.state = 'already_enrolled', job.created_at, coalesce(other.finished_at, job.finished_at)) AS at, (SELECT result FROM note
    WHERE note.job = other.job AND note.position = other.position AND result != '' ORDER BY note.id DESC LIMIT 1) AS found
FROM own CROSS JOIN row AS other ON (other.learner = own.learner OR other.learner = own.record_number
    OR other.person ->> '$.id' = own.learner OR other.person ->> '$.record_number' = own.record_number)
JOIN job ON job.id = other.job
WHERE job.host = own.host AND coalesce(other.batch, other.cells ->> '$[1]') = own.batch
    AND coalesce(other.course, other.cells ->> '$[0]') = own.course AND other.job != :job
    AND (iif(job.operation = 'enrol learner in batch', other.person ->> '$.id', other.learner) = own.learner
        OR iif(job.operation = 'enrol learner in batch', coalesce(other.learner, other.person ->> '$.record_number'),
            other.person ->> '$.record_number') = own.record_number)
    AND job.client IN (SELECT other FROM same_organization WHERE same_organization.client = own.client
        AND same_organization.host = own.host)
    AND (other.state IN ('removed', 'removed_inferred', 'enrolled', 'already_enrolled', 'unknown')
        OR (other.state = 'sending' AND job.state IN ('stopped', 'cancelled', 'finished')))
    AND (job.retry_of IS :job OR (job.id IS NOT own.retry_of AND (at, job.rowid) > (own.finished_at, own.made)))
ORDER BY at, job.rowid;

-- name: removed_since
-- A job that was made to remove a person, whom a row enrols, after the enrolment's job was planned.
-- By the learner id that they had before, or by the record number.
SELECT CASE job.account WHEN mine.account THEN other.job ELSE '' END, other.number, other.finished_at
FROM job AS mine JOIN row AS own ON own.job = mine.id AND own.position = :position
JOIN row AS other ON (other.learner = own.person ->> '$.id' OR other.person ->> '$.record_number' = :learner)
JOIN job ON job.id = other.job
WHERE mine.id = :job AND job.operation = 'remove learner from batch' AND mine.operation = 'enrol learner in batch'
    AND job.host = mine.host AND job.state NOT IN ('storing', 'held')
    AND job.client IN (SELECT other FROM same_organization AS own WHERE own.client = mine.client AND own.host = mine.host)
    AND other.batch = :batch AND other.course = :course
    AND (other.state IN ('removed', 'removed_inferred', 'not_found', 'unknown', 'sending')
        OR (other.state = 'pending' AND job.state NOT IN ('stopped', 'cancelled', 'finished')))
    AND job.id IS NOT mine.retry_of
    AND (job.rowid > mine.rowid OR (job.created_at >= mine.planned_at
        AND (SELECT operation FROM job AS before WHERE before.id = mine.retry_of) IS NOT mine.operation))
ORDER BY other.finished_at DESC NULLS FIRST LIMIT 1;

-- name: jobs_with_open_removals_of
-- Jobs that may still send, or be made to retry, a row which this one has settled since they were planned.
-- Or whose learner this one puts back, also if their report would send the row as an input; or whom they would put back and
-- this one has removed.
SELECT DISTINCT mine.id FROM row AS other JOIN job ON job.id = other.job
JOIN row ON row.learner = nullif(other.learner, '') AND row.batch = other.batch AND row.course = other.course AND row.job != other.job
JOIN job AS mine ON mine.id = row.job
WHERE other.job = :job AND mine.host = job.host AND mine.operation = job.operation
    AND job.client IN (SELECT other FROM same_organization AS own WHERE own.client = mine.client AND own.host = mine.host)
    AND other.state IN ('removed', 'removed_inferred', 'not_found', 'enrolled', 'unknown', 'sending')
    AND row.state IN ('pending', 'sending', 'not_sent', 'unknown')
    AND (coalesce(other.finished_at, job.finished_at) >= mine.planned_at OR job.rowid > mine.rowid)
UNION
SELECT mine.id FROM row AS other JOIN job ON job.id = other.job CROSS JOIN row ON (row.learner = other.person ->> '$.id'
    OR row.person ->> '$.record_number' = nullif(coalesce(other.learner, other.person ->> '$.record_number'), ''))
JOIN job AS mine ON mine.id = row.job
WHERE other.job = :job AND row.batch = coalesce(other.batch, other.cells ->> '$[1]')
    AND row.course = coalesce(other.course, other.cells ->> '$[0]') AND job.operation = 'enrol learner in batch' AND mine.operation = 'remove learner from batch'
    AND mine.host = job.host
    AND job.client IN (SELECT other FROM same_organization AS own WHERE own.client = mine.client AND own.host = mine.host)
    AND row.state IN ('pending', 'sending', 'not_sent', 'unknown', 'not_enrolled')
    AND (job.created_at >= mine.planned_at OR job.rowid > mine.rowid)
UNION
SELECT mine.id FROM row AS other JOIN job ON job.id = other.job CROSS JOIN row ON (row.person ->> '$.id' = nullif(other.learner, '')
    OR row.learner = other.person ->> '$.record_number')
JOIN job AS mine ON mine.id = row.job
WHERE other.job = :job AND row.batch = other.batch AND row.course = other.course
    AND job.operation = 'remove learner from batch' AND mine.operation = 'enrol learner in batch' AND mine.host = job.host
    AND job.client IN (SELECT other FROM same_organization AS own WHERE own.client = mine.client AND own.host = mine.host)
    AND other.state IN ('removed', 'removed_inferred', 'not_found', 'unknown', 'sending')
    AND row.state IN ('pending', 'sending', 'not_sent', 'unknown')
    AND (job.created_at >= mine.planned_at OR job.rowid > mine.rowid);

-- name: changes_since
-- By how many learners other jobs of a job's organisation have changed batches, each since a time.
SELECT row.course, row.batch, sum(iif(row.state = 'enrolled', 1, -1)) FROM job AS mine JOIN job ON job.id != mine.id
JOIN row ON row.job = job.id
JOIN json_each(:batches) AS wanted ON row.course = wanted.value ->> '$[0]' AND row.batch = wanted.value ->> '$[1]'
WHERE mine.id = :job AND job.host = mine.host AND (job.finished_at IS NULL OR job.finished_at >= :since)
    AND job.client IN (SELECT other FROM same_organization WHERE client = mine.client AND host = mine.host)
    AND row.state IN ('removed', 'removed_inferred', 'enrolled') AND row.finished_at >= wanted.value ->> '$[2]'
GROUP BY 1, 2;

-- name: count_sent_or_to_be_sent
-- How many rows of an operation were sent since a time in an organisation, or are to be.
-- They are to be by jobs that run, or that were confirmed since then, also for a time that a person chose.
-- What lies far ahead was sent while the clock was wrong. The rows left of the job :starting count too; those of a job that
-- nobody has run for an hour do not: a person must look at it first.
-- And how many removals a journal may have lost that was accepted since then.
SELECT count(*), (SELECT coalesce(sum(removals), 0) FROM restore WHERE at >= :since) FROM job JOIN row ON row.job = job.id
WHERE host = :host AND operation = :operation
    AND client IN (SELECT other FROM same_organization WHERE client = :client AND host = :host)
    AND (job.finished_at IS NULL OR job.finished_at >= :since OR job.last_run_at >= :since - 3600 OR job.id = :starting)
    AND (first_sent_at BETWEEN :since AND :since + 2 * 86400
        OR (job.id = :starting AND row.state IN ('pending', 'sending'))
        OR (row.state = 'pending' AND (job.state = 'ready'
            OR (job.state = 'held' AND job.due_at IS NOT NULL AND job.origin = 'page')
            OR (job.state IN ('running', 'paused') AND job.last_run_at >= :since - 3600))));
