-- Reads: calls that change nothing. They count for the limit of their account as attempts do.
CREATE TABLE read (
    id            INTEGER PRIMARY KEY,
    ledger        TEXT NOT NULL,
    operation     TEXT NOT NULL,
    sent_at       REAL NOT NULL,
    sent_mono     REAL NOT NULL,
    boot          TEXT NOT NULL,
    response_kind TEXT,                       -- NULL: no answer was ever read
    http_status   INTEGER,
    api_code      TEXT
) STRICT;

CREATE INDEX read_by_ledger ON read (ledger, sent_at);

CREATE VIEW call AS
SELECT ledger, sent_at, sent_mono, boot FROM attempt
UNION ALL SELECT ledger, sent_at, sent_mono, boot FROM read;

-- What Zoho listed in answer to reads, for some minutes: courses, batches or a roster, which is personal data.
CREATE TABLE listing (
    client   TEXT NOT NULL,
    host     TEXT NOT NULL,
    name     TEXT NOT NULL,                   -- of the operation, with its ids and what was searched for, as JSON
    made_at  REAL NOT NULL,
    records  TEXT NOT NULL,                   -- JSON list
    PRIMARY KEY (client, host, name)
) STRICT, WITHOUT ROWID;
