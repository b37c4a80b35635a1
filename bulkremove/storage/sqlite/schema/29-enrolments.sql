-- Jobs that enrol people again whom another job removed: their first call is confirmed apart from that of removals.

CREATE TABLE new_canary (
    client    TEXT NOT NULL,
    host      TEXT NOT NULL,
    operation TEXT NOT NULL,
    passed_at REAL NOT NULL,
    by        TEXT NOT NULL,
    job       TEXT NOT NULL,
    PRIMARY KEY (client, host, operation)
) STRICT;
INSERT INTO new_canary SELECT client, host, 'remove learner from batch', passed_at, by, job FROM canary;
DROP TABLE canary;
ALTER TABLE new_canary RENAME TO canary;

-- A row may be enrolled, or left out since its person is in the batch already. SQLite can't change a CHECK, so the table
-- row is made anew; foreign keys are not enforced during a migration.

CREATE TABLE row_new (
    job           TEXT NOT NULL REFERENCES job (id),
    position      INTEGER NOT NULL,           -- place in the file, from 0
    number        INTEGER NOT NULL,           -- as the spreadsheet shows it
    cells         TEXT NOT NULL,              -- JSON list, unchanged texts
    course        TEXT,
    batch         TEXT,
    learner       TEXT,                       -- of an enrolment: the employee's record number
    state         TEXT NOT NULL CHECK (state IN (
                      'pending', 'sending',
                      'removed', 'removed_inferred', 'not_found', 'refused', 'unknown', 'enrolled',
                      'duplicate', 'invalid', 'not_sent', 'done_before', 'not_enrolled', 'identity_mismatch',
                      'already_enrolled')),
    detail        TEXT NOT NULL DEFAULT '',
    http_status   INTEGER,
    api_code      TEXT,
    attempts      INTEGER NOT NULL DEFAULT 0,
    first_sent_at REAL,
    finished_at   REAL,
    person        TEXT,                       -- JSON object with the members of a listing.Learner; NULL: not known
    PRIMARY KEY (job, position),
    CHECK (state IN ('duplicate', 'invalid', 'done_before', 'not_sent', 'not_enrolled', 'identity_mismatch',
                     'already_enrolled')
        OR learner IS NOT NULL),
    CHECK (state NOT IN ('removed', 'removed_inferred', 'not_found', 'refused', 'enrolled', 'sending') OR attempts > 0),
    CHECK (state != 'not_sent' OR attempts = 0 OR first_sent_at IS NOT NULL)
) STRICT, WITHOUT ROWID;

INSERT INTO row_new (job, position, number, cells, course, batch, learner, state, detail, http_status, api_code,
                     attempts, first_sent_at, finished_at, person)
SELECT job, position, number, cells, course, batch, learner, state, detail, http_status, api_code,
       attempts, first_sent_at, finished_at, person
FROM row;

DROP TABLE row;

ALTER TABLE row_new RENAME TO row;

CREATE INDEX row_open ON row (job, position) WHERE state IN ('pending', 'sending');
CREATE INDEX row_by_learner ON row (learner);

-- Before each removal it is looked up whether somebody put the learner back since, and before each enrolment whether the
-- person was removed since. Only an enrolment's person has an id.
CREATE INDEX row_put_back ON row (person ->> '$.id') WHERE person ->> '$.id' IS NOT NULL;
CREATE INDEX row_by_record_number ON row (person ->> '$.record_number') WHERE person ->> '$.record_number' IS NOT NULL;
