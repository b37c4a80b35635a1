-- A user or a token has a role for all accounts ("*") or for named ones; those from before have it for all.

ALTER TABLE user ADD COLUMN roles TEXT NOT NULL DEFAULT '{}';   -- JSON object: role by account
UPDATE user SET roles = json_object('*', role);
ALTER TABLE user DROP COLUMN role;

ALTER TABLE token ADD COLUMN roles TEXT NOT NULL DEFAULT '{}';  -- the same; what its owner may not do it may not either
UPDATE token SET roles = json_object('*', role);
ALTER TABLE token DROP COLUMN role;
