-- Unattended runs are nightly runs, whatever their hour.

ALTER TABLE night RENAME TO nightly_run;
UPDATE job SET origin = 'nightly' WHERE origin = 'night';
