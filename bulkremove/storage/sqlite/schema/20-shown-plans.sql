-- Consent by a plan's hash is to the plan as it was shown: when, and before which erasures and restores.

CREATE TABLE shown_plan (
    plan_hash  TEXT PRIMARY KEY,
    shown_at   REAL NOT NULL,
    generation TEXT NOT NULL
) STRICT, WITHOUT ROWID;
