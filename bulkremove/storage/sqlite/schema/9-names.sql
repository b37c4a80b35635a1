-- Unattended runs are nightly runs, whatever their hour; other names of the code.

ALTER TABLE night RENAME TO nightly_run;
UPDATE job SET origin = 'nightly' WHERE origin = 'night';

ALTER TABLE job RENAME COLUMN worst_minute TO peak_calls;
ALTER TABLE ledger RENAME COLUMN hold TO suspension;
