-- Why a run ended is kept as a code; what a command exits with is the command line's.

UPDATE job SET reason_code = 'terminated' WHERE reason_code = 'interrupted' AND exit_code != 130;
ALTER TABLE job DROP COLUMN exit_code;
