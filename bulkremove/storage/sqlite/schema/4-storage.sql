-- Plans that are stored in pieces, reasons as codes, who runs a job, and attempts that never left.
-- SQLite can't change a CHECK, so the table job is made anew; foreign keys are not enforced during a migration.

CREATE TABLE job_new (
    id           TEXT PRIMARY KEY,
    account      TEXT NOT NULL,
    host         TEXT NOT NULL,
    source       TEXT NOT NULL,
    folder       TEXT NOT NULL,
    sheet        TEXT,
    header       TEXT NOT NULL,               -- JSON list of column names
    roles        TEXT NOT NULL,               -- JSON list: columns of course, batch, learner
    plan_hash    TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('storing', 'ready', 'running', 'paused', 'stopped', 'cancelled',
                                             'finished', 'held')),
    reason       TEXT NOT NULL DEFAULT '',
    reason_code  TEXT NOT NULL DEFAULT '',    -- a stable word for why the last run ended; the reason is for people
    exit_code    INTEGER NOT NULL DEFAULT 0,
    created_at   REAL NOT NULL,
    finished_at  REAL,
    seconds      REAL NOT NULL DEFAULT 0,
    worst_minute INTEGER NOT NULL DEFAULT 0,
    lockouts     INTEGER NOT NULL DEFAULT 0,
    mismatched   INTEGER NOT NULL DEFAULT 0,
    retry_of     TEXT REFERENCES job (id),
    options      TEXT NOT NULL DEFAULT '{}',  -- JSON object of texts
    prepared_by  TEXT NOT NULL DEFAULT '',
    confirmed_by TEXT NOT NULL DEFAULT '',
    origin       TEXT NOT NULL DEFAULT 'person',
    due_at       REAL,
    goes_on      INTEGER NOT NULL DEFAULT 0,
    totals       TEXT                         -- JSON counts by status, once the rows were deleted
) STRICT;

INSERT INTO job_new (id, account, host, source, folder, sheet, header, roles, plan_hash, state, reason, reason_code,
                     exit_code, created_at, finished_at, seconds, worst_minute, lockouts, mismatched, retry_of, options,
                     prepared_by, confirmed_by, origin, due_at, goes_on, totals)
SELECT id, account, host, source, folder, sheet, header, roles, plan_hash, state, reason,
       CASE WHEN reason = 'The server was stopped. The job goes on by itself when it is started again.'
            THEN 'server_stopped' ELSE '' END,
       exit_code, created_at, finished_at, seconds, worst_minute, lockouts, mismatched, retry_of,
       CASE WHEN instr(options ->> '$.limit', '/')
            THEN json_set(options, '$.calls', substr(options ->> '$.limit', 1, instr(options ->> '$.limit', '/') - 1))
            ELSE options END,
       prepared_by, confirmed_by, origin, due_at, goes_on, totals
FROM job;

DROP TABLE job;

ALTER TABLE job_new RENAME TO job;

CREATE INDEX job_by_age ON job (created_at, id);

-- An attempt of which no byte left is deleted at once now.
DELETE FROM attempt WHERE finding = 'never_sent';

-- Who runs a job, where and since when: for people. The lock of the operating system decides who may.
CREATE TABLE claim (
    name    TEXT PRIMARY KEY,
    holder  TEXT NOT NULL,                    -- host and process id
    since   REAL NOT NULL
) STRICT;

-- Rises with every attempt and every audit entry; a copy that is put back shows by it.
CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

INSERT INTO counter (name, value) SELECT 'changes', (SELECT count(*) FROM attempt) + (SELECT count(*) FROM audit);
INSERT INTO counter (name, value) SELECT 'audit_entries', (SELECT coalesce(max(id), 0) FROM audit);
