-- What a restored journal has lost counts against the cap of the day and the daily limit after its acceptance.
CREATE TABLE restore (
    id       INTEGER PRIMARY KEY,
    at       REAL NOT NULL,
    removals INTEGER NOT NULL,                -- at most so many removals are not in the journal
    calls    INTEGER NOT NULL                 -- and so many calls
) STRICT;

-- A plan that was made in another generation must be made again from its file: after an erasure it may still hold the
-- learner, and a restored journal does not know what was settled since. A random id, since a clock may be wrong.
ALTER TABLE identity ADD COLUMN generation TEXT NOT NULL DEFAULT '';
