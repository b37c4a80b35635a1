-- The holders of claims, for people: a claim itself is a lock of the operating system.

-- name: set_claim
-- Set the holder of a claim.
INSERT INTO claim (name, holder, since) VALUES (:name, :holder, :since)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, since = excluded.since;

-- name: delete_claim
-- Delete a claim that its holder has ended.
DELETE FROM claim WHERE name = :name AND holder = :holder;

-- name: get_claim
-- The holder of a claim, whose process may have died.
SELECT holder, since FROM claim WHERE name = :name;
