-- Each night has its own runs, jobs, contents that it took, and notices. Those from before belong to the night "nightly".

ALTER TABLE nightly_run ADD COLUMN night TEXT NOT NULL DEFAULT 'nightly';

ALTER TABLE job ADD COLUMN night TEXT NOT NULL DEFAULT '';            -- empty: no nightly run made it
UPDATE job SET night = 'nightly' WHERE origin = 'nightly';

CREATE TABLE taken_new (
    digest   TEXT NOT NULL,                   -- SHA-256 (hex) of the file's bytes
    night    TEXT NOT NULL,
    sandbox  TEXT NOT NULL,                   -- the host of the sandbox that it was taken for; empty: Zoho's own
    name     TEXT NOT NULL,
    taken_at REAL NOT NULL,
    place    TEXT NOT NULL,                   -- the file's name in `working`, so that a killed run's file is known
    job      TEXT REFERENCES job (id),        -- NULL: no plan could be made of it, or not yet
    held     TEXT NOT NULL DEFAULT '',        -- why it was put aside, if it was
    PRIMARY KEY (digest, night, sandbox)
) STRICT;

INSERT INTO taken_new SELECT digest, 'nightly', sandbox, name, taken_at, place, job, held FROM taken;

DROP TABLE taken;

ALTER TABLE taken_new RENAME TO taken;

CREATE TABLE notice_new (
    key        TEXT NOT NULL,                 -- one a happening of a night, so that none is told twice
    night      TEXT NOT NULL,                 -- whose addresses it goes to
    at         REAL NOT NULL,
    subject    TEXT NOT NULL,
    body       TEXT NOT NULL,
    attachment TEXT,                          -- path of a report
    tries      INTEGER NOT NULL DEFAULT 0,
    next_at    REAL NOT NULL,
    sent_at    REAL,
    PRIMARY KEY (key, night)
) STRICT;

INSERT INTO notice_new SELECT key, 'nightly', at, subject, body, attachment, tries, next_at, sent_at FROM notice;

DROP TABLE notice;

ALTER TABLE notice_new RENAME TO notice;
