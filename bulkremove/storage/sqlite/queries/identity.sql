-- The identity of the journal.

-- name: get
-- The identity of the journal, and its counter of calls and audit entries.
SELECT identity.id, identity.state, counter.value FROM identity, counter WHERE counter.name = 'changes';

-- name: set_state
-- Set the state: 'marked' if the mark names this journal, 'restored' if it was put back from a backup.
UPDATE identity SET state = :state;

-- name: renew
-- Give an accepted journal a new id, which the mark names already.
UPDATE identity SET id = :id, state = 'marked';

-- name: get_generation
-- The generation of the journal, a random id; empty for the first one.
SELECT generation FROM identity;

-- name: set_generation
-- Begin a new generation: plans of earlier ones must be made again.
UPDATE identity SET generation = :id;
