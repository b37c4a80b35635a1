-- Which journal this is.

-- name: get
-- Which journal this is, and its counter.
SELECT identity.id, identity.state, counter.value FROM identity, counter WHERE counter.name = 'changes';

-- name: set_state
-- Whether the mark names this journal, or it was put back from a backup.
UPDATE identity SET state = :state;

-- name: renew
-- An accepted restore makes another journal of it, which the mark names already.
UPDATE identity SET id = :id, state = 'marked';
