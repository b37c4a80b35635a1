-- What a person found when an unknown row was looked up: 'gone' or 'still_there'; empty if the note says it in words.
ALTER TABLE note ADD COLUMN result TEXT NOT NULL DEFAULT '';

-- Successes in other words than the documented ones, each accepted by a person for one client on one host.
CREATE TABLE wording (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    client      TEXT NOT NULL,
    host        TEXT NOT NULL,
    http_status INTEGER NOT NULL,
    api_code    TEXT NOT NULL,
    message     TEXT NOT NULL,
    accepted_at REAL NOT NULL,
    by          TEXT NOT NULL,
    job         TEXT NOT NULL,
    UNIQUE (client, host, http_status, api_code, message)
) STRICT;

-- A job uses only the wordings that its plan held: JSON, each as HTTP status, code and message.
ALTER TABLE job ADD COLUMN accepted_wordings TEXT NOT NULL DEFAULT '[]';

-- The rows that were answered in other words, which are few: evidence is looked up among them.
CREATE INDEX attempt_with_other_wording ON attempt (text) WHERE response_kind = 'other_wording';
