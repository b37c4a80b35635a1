-- A process that holds a claim is reached from another one: by a request that it looks at every second.

-- Who holds a claim, for people. Running processes write their own rows again when they take a claim.
DROP TABLE claim;

CREATE TABLE claim (
    name    TEXT PRIMARY KEY,
    host    TEXT NOT NULL,
    pid     INTEGER NOT NULL,
    since   REAL NOT NULL
) STRICT;

CREATE TABLE stop_request (
    name    TEXT PRIMARY KEY,                 -- of the claim: a job's id, or that of the nightly runs
    action  TEXT NOT NULL CHECK (action IN ('pause', 'cancel')),
    by      TEXT NOT NULL,
    at      REAL NOT NULL
) STRICT;
