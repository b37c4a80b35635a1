-- The journal: jobs, their rows, every attempt, the shared allowance, and what happened when.
-- Times ending in _mono are monotonic seconds of the boot named beside them; all others are epoch seconds.
-- Constraints carry rules: one attempt number a row, a row is settled or open but never both.

CREATE TABLE job (
    id           TEXT PRIMARY KEY,
    account      TEXT NOT NULL,
    host         TEXT NOT NULL,
    source       TEXT NOT NULL,
    folder       TEXT NOT NULL,
    sheet        TEXT,
    header       TEXT NOT NULL,               -- JSON list of column names
    roles        TEXT NOT NULL,               -- JSON list: columns of course, batch, learner
    plan_hash    TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('ready', 'running', 'paused', 'stopped', 'cancelled', 'finished',
                                             'held')),
    reason       TEXT NOT NULL DEFAULT '',
    exit_code    INTEGER NOT NULL DEFAULT 0,
    created_at   REAL NOT NULL,
    finished_at  REAL,
    seconds      REAL NOT NULL DEFAULT 0,
    worst_minute INTEGER NOT NULL DEFAULT 0,
    lockouts     INTEGER NOT NULL DEFAULT 0,
    mismatched   INTEGER NOT NULL DEFAULT 0,
    retry_of     TEXT REFERENCES job (id),
    options      TEXT NOT NULL DEFAULT '{}'   -- JSON object of texts
) STRICT;

CREATE TABLE row (
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
                      'duplicate', 'invalid', 'not_sent', 'done_before')),
    detail        TEXT NOT NULL DEFAULT '',
    http_status   INTEGER,
    api_code      TEXT,
    attempts      INTEGER NOT NULL DEFAULT 0,
    first_sent_at REAL,
    finished_at   REAL,
    PRIMARY KEY (job, position),
    CHECK (state IN ('duplicate', 'invalid', 'done_before', 'not_sent') OR learner IS NOT NULL),
    CHECK (state NOT IN ('removed', 'removed_inferred', 'not_found', 'refused', 'unknown', 'sending') OR attempts > 0),
    CHECK (state != 'not_sent' OR attempts = 0 OR first_sent_at IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX row_open ON row (job, position) WHERE state IN ('pending', 'sending');

CREATE TABLE attempt (
    job         TEXT NOT NULL,
    position    INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    ledger      TEXT NOT NULL,
    sent_at     REAL NOT NULL,
    sent_mono   REAL NOT NULL,
    boot        TEXT NOT NULL,
    answered_at REAL,
    finding     TEXT,                         -- NULL: no answer was ever read, so the attempt is open
    http_status INTEGER,
    api_code    TEXT,
    text        TEXT NOT NULL DEFAULT '',
    learner     TEXT,                         -- the learner that a success named
    PRIMARY KEY (job, position, number),
    FOREIGN KEY (job, position) REFERENCES row (job, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX attempt_by_ledger ON attempt (ledger, sent_at);

CREATE TABLE ledger (
    key           TEXT PRIMARY KEY,
    boot          TEXT NOT NULL,
    next_at_mono  REAL NOT NULL,
    burst         INTEGER NOT NULL,
    last_at_mono  REAL,
    blamed        TEXT,
    budget        INTEGER,
    budget_mono   REAL NOT NULL,
    hold          TEXT                        -- JSON object of the wait in force, if any
) STRICT;

CREATE TABLE slot (
    id            INTEGER PRIMARY KEY,
    ledger        TEXT NOT NULL REFERENCES ledger (key),
    taken_mono    REAL NOT NULL,
    free_mono     REAL NOT NULL               -- when the slot is reborn; written as if no answer ever came
) STRICT;

CREATE INDEX slot_by_free ON slot (ledger, free_mono);

CREATE TABLE event (
    id   INTEGER PRIMARY KEY,
    job  TEXT REFERENCES job (id),
    at   REAL NOT NULL,
    name TEXT NOT NULL,                       -- a stable word, such as locked
    text TEXT NOT NULL
) STRICT;

CREATE INDEX event_by_job ON event (job, id);
