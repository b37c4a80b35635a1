-- An enrolment check may leave a row out: its learner is not enrolled, or is somebody else than the file says.
-- SQLite can't change a CHECK, so the table row is made anew; foreign keys are not enforced during a migration.

CREATE TABLE row_new (
    job           TEXT NOT NULL REFERENCES job (id),
    position      INTEGER NOT NULL,           -- place in the file, from 0
    number        INTEGER NOT NULL,           -- as the spreadsheet shows it
    cells         TEXT NOT NULL,              -- JSON list, unchanged texts
    course        TEXT,
    batch         TEXT,
    learner       TEXT,
    state         TEXT NOT NULL CHECK (state IN (
                      'pending', 'sending',
                      'removed', 'removed_inferred', 'not_found', 'refused', 'unknown',
                      'duplicate', 'invalid', 'not_sent', 'done_before', 'not_enrolled', 'identity_mismatch')),
    detail        TEXT NOT NULL DEFAULT '',
    http_status   INTEGER,
    api_code      TEXT,
    attempts      INTEGER NOT NULL DEFAULT 0,
    first_sent_at REAL,
    finished_at   REAL,
    PRIMARY KEY (job, position),
    CHECK (state IN ('duplicate', 'invalid', 'done_before', 'not_sent', 'not_enrolled', 'identity_mismatch')
        OR learner IS NOT NULL),
    CHECK (state NOT IN ('removed', 'removed_inferred', 'not_found', 'refused', 'sending') OR attempts > 0),
    CHECK (state != 'not_sent' OR attempts = 0 OR first_sent_at IS NOT NULL)
) STRICT, WITHOUT ROWID;

INSERT INTO row_new (job, position, number, cells, course, batch, learner, state, detail, http_status, api_code,
                     attempts, first_sent_at, finished_at)
SELECT job, position, number, cells, course, batch, learner, state, detail, http_status, api_code,
       attempts, first_sent_at, finished_at
FROM row;

DROP TABLE row;

ALTER TABLE row_new RENAME TO row;

CREATE INDEX row_open ON row (job, position) WHERE state IN ('pending', 'sending');
CREATE INDEX row_by_learner ON row (learner);
