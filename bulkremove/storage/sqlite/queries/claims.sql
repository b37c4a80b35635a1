-- The holders of claims, for people, and requests to them: a claim itself is a lock of the operating system.

-- name: set_claim
-- Set the holder of a claim.
INSERT INTO claim (name, host, pid, since) VALUES (:name, :host, :pid, :since)
ON CONFLICT (name) DO UPDATE SET host = excluded.host, pid = excluded.pid, since = excluded.since;

-- name: delete_claim
-- Delete a claim that its holder has ended.
DELETE FROM claim WHERE name = :name AND host = :host AND pid = :pid;

-- name: get_claim
-- The holder of a claim, whose process may have died.
SELECT host, pid, since FROM claim WHERE name = :name;

-- name: list_claims
-- The names of all claims, whose processes may have died.
SELECT name FROM claim ORDER BY since, name;

-- name: set_stop_request
-- Ask the holder of a claim to stop; a request to cancel is never weakened to a pause.
INSERT INTO stop_request (name, action, by, at) VALUES (:name, :action, :by, :at)
ON CONFLICT (name) DO UPDATE SET action = excluded.action, by = excluded.by, at = excluded.at WHERE action != 'cancel';

-- name: get_stop_request
-- The request to the holder of a claim.
SELECT action, by, at FROM stop_request WHERE name = :name;

-- name: delete_stop_request
-- Delete the request to an earlier holder of a claim.
DELETE FROM stop_request WHERE name = :name;
