-- Unattended runs: which nights there were, which files they took, and what people are to be told.
-- Times are epoch seconds.

ALTER TABLE job ADD COLUMN origin TEXT NOT NULL DEFAULT 'person';  -- or 'night'
ALTER TABLE job ADD COLUMN due_at REAL;                            -- when a held job runs by itself, if ever
ALTER TABLE job ADD COLUMN goes_on INTEGER NOT NULL DEFAULT 0;     -- 1: paused, and time alone mends it
ALTER TABLE job ADD COLUMN totals TEXT;                            -- JSON counts by status, once the rows were dropped

CREATE TABLE night (
    id         INTEGER PRIMARY KEY,
    date       TEXT NOT NULL,                 -- local date it belongs to
    started_at REAL NOT NULL,
    ended_at   REAL,                          -- NULL: it runs, or was killed
    good       INTEGER NOT NULL DEFAULT 0     -- 1: it ended, and nothing was held, failed or left open
) STRICT;

-- One row a content, so that each content is run once, under whatever name it comes.
CREATE TABLE taken (
    digest   TEXT PRIMARY KEY,                -- SHA-256 (hex) of the file's bytes
    name     TEXT NOT NULL,
    taken_at REAL NOT NULL,
    place    TEXT NOT NULL,                   -- the file's name in `working`, so that a killed night's file is known
    job      TEXT REFERENCES job (id),        -- NULL: no plan could be made of it, or not yet
    held     TEXT NOT NULL DEFAULT ''         -- why it was put aside, if it was
) STRICT;

-- What people are to be told: written together with what it tells of, sent later, until it is sent.
CREATE TABLE notice (
    key        TEXT PRIMARY KEY,              -- one a happening, so that none is told twice
    at         REAL NOT NULL,
    subject    TEXT NOT NULL,
    body       TEXT NOT NULL,
    attachment TEXT,                          -- path of a report
    tries      INTEGER NOT NULL DEFAULT 0,
    next_at    REAL NOT NULL,
    sent_at    REAL
) STRICT;
