-- Who may do what on the page and over HTTP, what was done by whom, and what people found out about unknown rows.
-- Times are epoch seconds. No secret is kept: passwords as Argon2 hashes, tokens as SHA-256 of 256 random bits.

ALTER TABLE job ADD COLUMN prepared_by TEXT NOT NULL DEFAULT '';   -- who gave the file
ALTER TABLE job ADD COLUMN confirmed_by TEXT NOT NULL DEFAULT '';  -- who agreed to its plan

CREATE TABLE user (
    name     TEXT PRIMARY KEY,
    role     TEXT NOT NULL CHECK (role IN ('preparer', 'approver', 'admin')),
    password TEXT NOT NULL,                   -- Argon2id, with its parameters and salt
    added_at REAL NOT NULL
) STRICT;

CREATE TABLE token (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,                 -- what it is for, in the admin's words
    role       TEXT NOT NULL CHECK (role IN ('preparer', 'approver', 'admin')),
    digest     TEXT NOT NULL UNIQUE,          -- SHA-256 (hex) of the token
    added_at   REAL NOT NULL,
    revoked_at REAL
) STRICT;

CREATE TABLE finding (
    id       INTEGER PRIMARY KEY,
    job      TEXT NOT NULL,
    position INTEGER NOT NULL,
    at       REAL NOT NULL,
    author   TEXT NOT NULL,
    text     TEXT NOT NULL,
    FOREIGN KEY (job, position) REFERENCES row (job, position)
) STRICT;

CREATE INDEX finding_by_row ON finding (job, position);

-- Each entry's hash covers its own facts and the hash before it, so that a changed or lost entry shows.
CREATE TABLE audit (
    id    INTEGER PRIMARY KEY,
    at    REAL NOT NULL,
    actor TEXT NOT NULL,
    act   TEXT NOT NULL,                      -- a stable word, such as confirmed
    facts TEXT NOT NULL,                      -- JSON object; names, numbers and hashes, never a cell of a file
    hash  TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT raise(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN
    SELECT raise(ABORT, 'the audit log is append-only');
END;
