-- Which fields the answers to a client's reads were seen to have: names and types, and no value.

CREATE TABLE seen_field (
    client    TEXT NOT NULL,
    host      TEXT NOT NULL,
    operation TEXT NOT NULL,                  -- the name of the read
    field     TEXT NOT NULL,                  -- its path, such as learners[].learnerId
    types     TEXT NOT NULL,
    seen_at   REAL NOT NULL,                  -- the last time
    PRIMARY KEY (client, host, operation, field)
) STRICT, WITHOUT ROWID;
