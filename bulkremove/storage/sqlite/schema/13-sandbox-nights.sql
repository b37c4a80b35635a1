-- Nightly runs against a sandbox leave what real ones read as it was: each has dates and contents of its own.

ALTER TABLE nightly_run ADD COLUMN sandbox TEXT NOT NULL DEFAULT '';  -- the sandbox's host; empty: Zoho's own

CREATE TABLE taken_new (
    digest   TEXT NOT NULL,                   -- SHA-256 (hex) of the file's bytes
    sandbox  TEXT NOT NULL,                   -- the host of the sandbox that it was taken for; empty: Zoho's own
    name     TEXT NOT NULL,
    taken_at REAL NOT NULL,
    place    TEXT NOT NULL,                   -- the file's name in `working`, so that a killed run's file is known
    job      TEXT REFERENCES job (id),        -- NULL: no plan could be made of it, or not yet
    held     TEXT NOT NULL DEFAULT '',        -- why it was put aside, if it was
    PRIMARY KEY (digest, sandbox)
) STRICT;

-- A content that only a sandbox run took may still run for real.
INSERT INTO taken_new
SELECT digest, CASE WHEN host = 'sandbox' OR host GLOB '127.0.0.1*' OR host GLOB 'localhost*' OR host LIKE '[::1]%'
    THEN host ELSE '' END, taken.name, taken_at, place, taken.job, held
FROM taken LEFT JOIN job ON job.id = taken.job;

DROP TABLE taken;

ALTER TABLE taken_new RENAME TO taken;
