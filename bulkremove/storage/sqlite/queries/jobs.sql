-- Jobs, their notes and events.

-- name: insert_job
-- Add a job.
INSERT INTO job (id, account, host, source, folder, sheet, header, roles, plan_hash, state, reason, created_at,
                 retry_of, options, prepared_by, confirmed_by, origin, due_at, operation, last_run_at, last_run_by,
                 planned_at, client, night, accepted_wordings)
VALUES (:id, :account, :host, :source, :folder, :sheet, :header, :roles, :plan_hash, :state, :reason, :created_at,
        :retry_of, :options, :prepared_by, :confirmed_by, :origin, :due_at, :operation, :created_at, :origin,
        :planned_at, :client, :night, :accepted_wordings);

-- name: set_state
-- Change the state of a job that is in state :before.
UPDATE job SET state = :state WHERE id = :job AND state = :before;

-- name: get_created_at
-- When a job was created.
SELECT created_at FROM job WHERE id = :job;

-- name: get_job
-- One job.
SELECT * FROM job WHERE id = :job AND state != 'storing';

-- name: find_id
-- Whether an id is taken, also by a job that is being stored.
SELECT 1 FROM job WHERE id = :job;

-- name: list_jobs
-- A page of jobs by state, accounts, file name, people and time, the newest first.
-- The text in the file's name ignores ASCII case; `who` prepared or confirmed the job.
SELECT * FROM job WHERE CASE WHEN state = 'held' AND due_at IS NOT NULL THEN 'scheduled' ELSE state END
    IN (SELECT value FROM json_each(:states)) AND instr(lower(source), lower(:source))
    AND (:every_account OR account IN (SELECT value FROM json_each(:accounts))) AND created_at >= :since
    AND (:who = '' OR confirmed_by = :who OR instr(', ' || prepared_by || ', ', ', ' || :who || ', '))
    AND (:before_at IS NULL OR (created_at, id) < (:before_at, :before_id))
ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :offset;

-- name: jobs_naming
-- The jobs of some accounts with a row that a text (casefolded) may be about, the newest first.
-- `is_plain`: the text is ASCII and stands in JSON as it is, so that no cell needs parsing.
SELECT * FROM job WHERE job.state != 'storing' AND totals IS NULL
    AND (:every_account OR account IN (SELECT value FROM json_each(:accounts)))
    AND EXISTS (SELECT 1 FROM row WHERE row.job = job.id AND (row.learner = :text OR CASE WHEN :is_plain
        THEN instr(lower(row.cells), :text) OR instr(lower(row.person), :text)
        ELSE holds(row.cells, :text) OR holds(json_array(coalesce(person ->> '$.name', ''), coalesce(person ->> '$.email', ''),
            coalesce(person ->> '$.employee_id', '')), :text) END))
ORDER BY created_at DESC, id DESC LIMIT :limit;

-- name: list_retries
-- The retries of a job, also one that is being stored.
SELECT * FROM job WHERE retry_of = :job;

-- name: newest_job_of_plan
-- The newest job made from a plan that may have sent a row: any but one that was cancelled before it ever ran.
SELECT * FROM job WHERE plan_hash = :plan_hash AND state != 'storing' AND (state != 'cancelled' OR EXISTS (
    SELECT 1 FROM event WHERE event.job = job.id AND event.name = 'started')) ORDER BY created_at DESC, id DESC LIMIT 1;

-- name: record_plan_shown
-- Keep that a plan was shown.
INSERT INTO shown_plan (plan_hash, shown_at, generation) VALUES (:plan_hash, :at, :generation)
ON CONFLICT DO UPDATE SET shown_at = excluded.shown_at, generation = excluded.generation;

-- name: forget_shown_plans
-- Forget the plans that were shown before a time.
DELETE FROM shown_plan WHERE shown_at < :before;

-- name: get_shown_plan
-- When a plan was shown last, and in which generation.
SELECT shown_at, generation FROM shown_plan WHERE plan_hash = :plan_hash;

-- name: job_of_key
-- The job of some accounts that was confirmed with this idempotency key, that of this plan first.
SELECT * FROM job WHERE options ->> '$.idempotency_key' = :key AND state != 'storing'
    AND (:every_account OR account IN (SELECT value FROM json_each(:accounts)))
ORDER BY plan_hash = :plan_hash DESC LIMIT 1;

-- name: job_of_upload
-- The job of some accounts that the page's plan with this id became.
SELECT * FROM job WHERE options ->> '$.upload' = :upload AND state != 'storing'
    AND (:every_account OR account IN (SELECT value FROM json_each(:accounts))) LIMIT 1;

-- name: newest_with_header
-- The newest job of some accounts whose file had these headings.
SELECT * FROM job WHERE header = :header AND state != 'storing'
    AND (:every_account OR account IN (SELECT value FROM json_each(:accounts)))
ORDER BY created_at DESC, id DESC LIMIT 1;

-- name: list_accounts
-- The accounts of all jobs.
SELECT DISTINCT account FROM job WHERE state != 'storing' ORDER BY account;

-- name: newest_unfinished
-- The newest job of an account that a command ran last and nobody paused.
-- Or of which every row is settled, and whose last run was killed between its end and its report.
SELECT * FROM job WHERE account = :account AND client = :client AND host = :host AND (
    (state IN ('ready', 'running', 'paused') AND last_run_by = 'command' AND reason_code != 'paused')
    OR (state IN ('finished', 'stopped') AND 'started' = (SELECT name FROM event WHERE job = job.id
        AND name IN ('started', 'reported') ORDER BY event.id DESC LIMIT 1)))
ORDER BY created_at DESC, id DESC LIMIT 1;

-- name: newest_nightly
-- The newest job of a client that a night made and that was confirmed, without those of a clock that was ahead.
SELECT * FROM job WHERE night = :night AND client = :client AND host = :host AND confirmed_by != '' AND state != 'storing'
    AND created_at <= :now + 86400
ORDER BY created_at DESC, id DESC LIMIT 1;

-- name: start_job
-- Put a job into state running.
UPDATE job SET state = 'running', reason = '', reason_code = '', finished_at = NULL, auto_resumable = 0 WHERE id = :job;

-- name: end_job
-- Record the end of a run; add its seconds, and keep the higher peak.
UPDATE job SET state = :state, reason = :reason, reason_code = :reason_code, finished_at = :at,
    seconds = seconds + :seconds, peak_calls = max(peak_calls, :peak_calls), auto_resumable = :auto_resumable
WHERE id = :job;

-- name: record_run
-- Record that a process runs a job.
UPDATE job SET last_run_at = :at, last_run_by = :by WHERE id = :job;

-- name: set_organization
-- Keep which organisation a client belongs to, as was said last.
INSERT INTO client_organization (client, host, organization) VALUES (:client, :host, :organization)
ON CONFLICT DO UPDATE SET organization = excluded.organization;

-- name: set_circumstances
-- Keep how many entries the protected list has when a job starts, and the calls of the widest limit that it ran under.
UPDATE job SET options = json_set(options, '$.protected', :protected, '$.calls',
    CAST(max(CAST(coalesce(options ->> '$.calls', '0') AS INTEGER), :calls) AS TEXT))
WHERE id = :job;

-- name: set_option
-- Keep an option of a job.
UPDATE job SET options = json_set(options, '$.' || :name, :value) WHERE id = :job;

-- name: release_job
-- Make a held job ready for the front end that made it.
UPDATE job SET state = 'ready', reason = '', reason_code = '', confirmed_by = :by, last_run_at = :at, last_run_by = origin,
    due_at = NULL
WHERE id = :job AND state = 'held';

-- name: hold_job
-- Hold a job that is not over until a person approves what is left of it.
UPDATE job SET state = 'held', reason = :reason, reason_code = '', due_at = NULL, auto_resumable = 0, last_run_at = :at
WHERE id = :job AND state IN ('ready', 'running', 'paused', 'held');

-- name: is_running
-- Whether rows of a job may be sent.
SELECT 1 FROM job WHERE id = :job AND state = 'running';

-- name: list_unfinished
-- The jobs that are not over.
SELECT id, created_at FROM job WHERE state IN ('ready', 'running', 'paused', 'held') ORDER BY created_at, id;

-- name: pause_restored
-- Pause a job of a restored journal, so that it is not resumed without a person; a held job stays held.
UPDATE job SET state = CASE state WHEN 'held' THEN state ELSE 'paused' END,
    finished_at = CASE state WHEN 'held' THEN finished_at ELSE :at END,
    reason = :reason, reason_code = :code, auto_resumable = 0, due_at = NULL WHERE id = :job;

-- name: count_lockout
-- Increment the job's number of lockouts.
UPDATE job SET lockouts = lockouts + 1 WHERE id = :job;

-- name: count_mismatch
-- Increment the job's number of responses that named another learner.
UPDATE job SET mismatched = mismatched + 1 WHERE id = :job;

-- name: get_totals
-- The totals (set once the rows are deleted) and states of some jobs.
SELECT id, totals, state FROM job WHERE id IN (SELECT value FROM json_each(:jobs));

-- name: set_totals
-- Keep the totals of a job whose rows are about to be deleted; once some are, they can't be counted any more.
UPDATE job SET totals = :totals WHERE id = :job AND totals IS NULL;

-- name: list_totals
-- The totals of the jobs of some hosts and accounts whose rows were deleted.
SELECT totals FROM job WHERE totals IS NOT NULL AND host IN (SELECT value FROM json_each(:hosts))
    AND (:every_account OR account IN (SELECT value FROM json_each(:accounts)));

-- name: count_jobs
-- The number of jobs of some hosts and accounts in each state.
SELECT CASE WHEN state = 'held' AND due_at IS NOT NULL THEN 'scheduled' ELSE state END AS shown, count(*) FROM job
WHERE host IN (SELECT value FROM json_each(:hosts)) AND (:every_account OR account IN (SELECT value FROM json_each(:accounts)))
GROUP BY shown;

-- name: sum_lockouts
-- The number of lockouts of all jobs of some hosts and accounts.
SELECT coalesce(sum(lockouts), 0) FROM job WHERE host IN (SELECT value FROM json_each(:hosts))
    AND (:every_account OR account IN (SELECT value FROM json_each(:accounts)));

-- name: list_hosts
-- The hosts of all jobs.
SELECT DISTINCT host FROM job;

-- name: delete_job
-- Delete a job that was not stored completely.
DELETE FROM job WHERE id = :job AND state = 'storing';

-- name: insert_event
-- Add an event of a job.
INSERT INTO event (job, at, name, text) VALUES (:job, :at, :name, :text);

-- name: list_events
-- The events of a job, the oldest first.
SELECT at, name, text FROM event WHERE job = :job ORDER BY id;

-- name: events_after
-- The events of a job after one of them, the oldest first.
SELECT id, at, name, text FROM event WHERE job = :job AND id > :after ORDER BY id LIMIT :limit;

-- name: last_start_or_report
-- 'reported' if the report of the last run was written, else 'started'; no row if the job never ran.
SELECT name FROM event WHERE job = :job AND name IN ('started', 'reported') ORDER BY id DESC LIMIT 1;

-- name: insert_note
-- Add a note about a row.
INSERT INTO note (job, position, at, author, text, result) VALUES (:job, :position, :at, :author, :text, :result);

-- name: list_notes
-- The notes of a job, the oldest first.
SELECT position, at, author, text, result FROM note WHERE job = :job ORDER BY id;

-- name: is_storing
-- Whether a job is not stored completely yet.
SELECT 1 FROM job WHERE id = :job AND state = 'storing';

-- name: delete_some_notes
-- Delete the notes about the first rows of a job.
DELETE FROM note WHERE job = :job AND position IN (SELECT position FROM row WHERE job = :job ORDER BY position
    LIMIT :limit);
