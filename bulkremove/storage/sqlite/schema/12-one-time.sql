-- A password that an admin has set for somebody else is good for one sign-in, which must choose another one.

ALTER TABLE user ADD COLUMN one_time INTEGER NOT NULL DEFAULT 0;
