-- The audit log. Entries are only appended and read, never changed.

-- name: last_entry
-- The number and hash of the newest entry.
SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1;

-- name: insert_entry
-- Append an entry.
INSERT INTO audit (id, at, actor, act, facts, hash) VALUES (:id, :at, :actor, :act, :facts, :hash);

-- name: newest_entries
-- The newest entries about some accounts, or all entries, the newest first; of one act and with a text, if these are given.
SELECT id, at, actor, act, facts, hash FROM audit
WHERE (:every_account OR facts ->> '$.account' IN (SELECT value FROM json_each(:accounts))
    OR facts ->> '$.job' IN (SELECT id FROM job WHERE account IN (SELECT value FROM json_each(:accounts))))
    AND :act IN ('', act) AND (:text = '' OR holds(json_array(actor), :text) OR EXISTS (
        SELECT 1 FROM json_tree(facts) WHERE holds(json_array(CAST(coalesce(atom, '') AS TEXT)), :text)))
ORDER BY id DESC LIMIT :limit OFFSET :offset;

-- name: page_of_entries
-- The entries with a higher number.
SELECT id, at, actor, act, facts, hash FROM audit WHERE id > :after ORDER BY id LIMIT :limit;

-- name: count_change
-- Increment the counter of calls and audit entries.
UPDATE counter SET value = value + 1 WHERE name = 'changes' RETURNING value;

-- name: count_entry
-- Increment the number of entries that the audit log must have.
UPDATE counter SET value = value + 1 WHERE name = 'audit_entries';

-- name: get_counter
-- The value of a counter.
SELECT value FROM counter WHERE name = :name;

-- name: set_counter
-- Set a counter.
UPDATE counter SET value = :value WHERE name = :name;

-- name: set_changes
-- Raise the counter of a restored journal to that of the lost one.
UPDATE counter SET value = max(value, :changes) WHERE name = 'changes';
