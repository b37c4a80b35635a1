-- Consent ends with the run that used it: a job knows when a process drove it last, and which front end that was.
-- A job belongs to the client that its plan was made for: the account's name may lead to another one later.
-- A plan may wait for its confirmation: what other jobs do meanwhile counts from when it was made.

ALTER TABLE job ADD COLUMN driven_at REAL NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN driven_by TEXT NOT NULL DEFAULT 'command';
ALTER TABLE job ADD COLUMN client TEXT NOT NULL DEFAULT '';
ALTER TABLE job ADD COLUMN planned_at REAL NOT NULL DEFAULT 0;
UPDATE job SET planned_at = created_at;
UPDATE job SET origin = 'command' WHERE origin = 'person';
UPDATE job SET driven_by = origin, driven_at = coalesce(
    finished_at, (SELECT max(at) FROM event WHERE event.job = job.id AND name = 'started'), created_at);

-- Before each call it is looked up whether another job has settled the same removal.
CREATE INDEX row_by_learner ON row (learner);

-- The first removal of each client is confirmed by a person before any other row is sent.
CREATE TABLE canary (
    client    TEXT NOT NULL,
    host      TEXT NOT NULL,
    passed_at REAL NOT NULL,
    by        TEXT NOT NULL,
    job       TEXT NOT NULL,
    PRIMARY KEY (client, host)
) STRICT;
