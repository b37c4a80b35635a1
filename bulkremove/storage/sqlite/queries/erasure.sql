-- Erasure of one learner. Texts that name the learner's id lose it; longer numbers that contain it stay.

-- name: count_open_rows
-- The number of rows of a learner that may still be sent.
SELECT count(*) FROM row JOIN job ON job.id = row.job
WHERE ((learner = :learner AND person ->> '$.id' IS NULL) OR person ->> '$.id' = :learner) AND row.state IN ('pending', 'sending') AND job.state NOT IN ('stopped', 'cancelled', 'finished');

-- name: list_rows
-- The rows of a learner, also those that enrol them again, and rows without ids that may hold the id in a cell.
-- A row that enrols somebody has a record number in the place of the learner id, and its person has the id.
SELECT job, position, learner IS NOT NULL OR person ->> '$.id' IS NOT NULL, cells FROM row
WHERE (learner = :learner AND person ->> '$.id' IS NULL) OR person ->> '$.id' = :learner OR (learner IS NULL AND instr(cells, :learner));

-- name: erase_row
-- Empty the cells and the learner id of a row, and who it was.
UPDATE row SET cells = :cells, learner = CASE WHEN learner IS NULL THEN NULL ELSE '' END,
    person = NULL, detail = 'The data of this person were erased.' WHERE job = :job AND position = :position;

-- name: list_responses
-- What Zoho answered about a row in more than a word, as events, reasons and notices of its job may quote it.
SELECT DISTINCT text FROM attempt WHERE job = :job AND position = :position AND instr(text, ' ');

-- name: erase_quotes_in_events
-- Take a quoted response out of the events of a job.
UPDATE event SET text = replace(text, :quote, '(erased)') WHERE job = :job AND instr(text, :quote);

-- name: erase_quotes_in_reason
-- Take a quoted response out of the reason why a job's run ended.
UPDATE job SET reason = replace(reason, :quote, '(erased)') WHERE id = :job AND instr(reason, :quote);

-- name: erase_quotes_in_notices
-- Take a quoted response out of the notices about a job.
UPDATE notice SET subject = replace(subject, :quote, '(erased)'), body = replace(body, :quote, '(erased)')
WHERE instr(subject || ' ' || body, :quote) AND instr(subject || ' ' || body, :job);

-- name: erase_attempts
-- Empty the personal data in the attempts for a row.
UPDATE attempt SET text = '', learner = '' WHERE job = :job AND position = :position;

-- name: delete_notes
-- Delete the notes about a row.
DELETE FROM note WHERE job = :job AND position = :position;

-- name: count_texts
-- The number of texts that name the learner: of events, notices, notes, reasons, responses and listings.
SELECT (SELECT count(*) FROM event WHERE instr(text, :learner) AND text != without(text, :learner))
    + (SELECT count(*) FROM notice WHERE instr(subject || ' ' || body, :learner)
        AND (subject != without(subject, :learner) OR body != without(body, :learner)))
    + (SELECT count(*) FROM note WHERE instr(text, :learner) AND text != without(text, :learner))
    + (SELECT count(*) FROM job WHERE instr(reason, :learner) AND reason != without(reason, :learner))
    + (SELECT count(*) FROM taken WHERE instr(held, :learner) AND held != without(held, :learner))
    + (SELECT count(*) FROM row WHERE instr(detail, :learner) AND detail != without(detail, :learner))
    + (SELECT count(*) FROM attempt WHERE instr(text, :learner) AND text != without(text, :learner)
        OR learner = :learner)
    + (SELECT count(*) FROM listing WHERE instr(records, :learner) AND records != without(records, :learner));

-- name: erase_from_events
-- Take the id out of the events of all jobs.
UPDATE event SET text = without(text, :learner) WHERE instr(text, :learner);

-- name: erase_from_notices
-- Take the id out of all notices, sent or not.
UPDATE notice SET subject = without(subject, :learner), body = without(body, :learner)
WHERE instr(subject || ' ' || body, :learner);

-- name: erase_from_notes
-- Take the id out of notes about other rows.
UPDATE note SET text = without(text, :learner) WHERE instr(text, :learner);

-- name: erase_from_reasons
-- Take the id out of the reasons why runs of jobs ended.
UPDATE job SET reason = without(reason, :learner) WHERE instr(reason, :learner);

-- name: erase_from_refusals
-- Take the id out of the reasons why files were held.
UPDATE taken SET held = without(held, :learner) WHERE instr(held, :learner);

-- name: erase_from_details
-- Take the id out of the details of other rows.
UPDATE row SET detail = without(detail, :learner) WHERE instr(detail, :learner);

-- name: erase_from_responses
-- Take the id out of the responses to the calls for other rows.
UPDATE attempt SET text = without(text, :learner), learner = CASE learner WHEN :learner THEN '' ELSE learner END
WHERE instr(text, :learner) OR learner = :learner;
