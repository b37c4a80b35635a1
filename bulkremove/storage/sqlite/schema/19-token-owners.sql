-- Two people must agree under four_eyes, so a token belongs to a person: it prepares and approves as that one.
ALTER TABLE token ADD COLUMN owner TEXT NOT NULL DEFAULT '';
