-- Columns and tables get the names that the code has for them.

ALTER TABLE attempt RENAME COLUMN finding TO response_kind;
ALTER TABLE finding RENAME TO note;
DROP INDEX finding_by_row;
CREATE INDEX note_by_row ON note (job, position);
ALTER TABLE job RENAME COLUMN goes_on TO auto_resumable;
ALTER TABLE ledger RENAME COLUMN blamed TO individually_limited_row;
UPDATE ledger SET hold = replace(replace(hold, '"accused"', '"limited_row"'), '"suspect"', '"retesting_row"');
