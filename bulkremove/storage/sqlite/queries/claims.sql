-- Who holds a claim. The lock of the operating system decides; these rows are for people.

-- name: set_claim
-- Somebody holds the claim from now on.
INSERT INTO claim (name, holder, since) VALUES (:name, :holder, :since)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, since = excluded.since;

-- name: delete_claim
-- The holder has ended its claim.
DELETE FROM claim WHERE name = :name AND holder = :holder;

-- name: get_claim
-- Who holds the claim, if anybody does or died with it.
SELECT holder, since FROM claim WHERE name = :name;
