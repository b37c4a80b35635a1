-- What a nightly run knows of the employees that it was told last, so that the next one asks for new leavers alone.

CREATE TABLE leaver_memory (
    client     TEXT NOT NULL,
    host       TEXT NOT NULL,
    counted_at REAL NOT NULL,
    employees  INTEGER NOT NULL,              -- how many Zoho listed; fewer than most of them hold the next nightly run
    asked      TEXT NOT NULL DEFAULT '{}',    -- JSON object: when a leaver's courses were read, by record number
    PRIMARY KEY (client, host)
) STRICT, WITHOUT ROWID;
