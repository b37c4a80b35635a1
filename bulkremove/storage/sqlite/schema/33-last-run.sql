-- A job is run, as everywhere else in code and messages.

ALTER TABLE job RENAME COLUMN driven_at TO last_run_at;
ALTER TABLE job RENAME COLUMN driven_by TO last_run_by;
