-- Users and tokens; of passwords and tokens only hashes are stored.

-- name: list_users
-- All users, by name.
SELECT name, role, added_at FROM user ORDER BY name;

-- name: get_user
-- A user's name, role and password hash, and whether it is a one-time password. Letter case is ignored.
SELECT name, role, password, one_time FROM user WHERE name = :name COLLATE NOCASE;

-- name: insert_user
-- Add a user unless the name is taken, in whatever letter case.
INSERT INTO user (name, role, password, added_at, one_time)
SELECT :name, :role, :password, :at, :one_time
WHERE NOT EXISTS (SELECT 1 FROM user WHERE name = :name COLLATE NOCASE);

-- name: set_password
-- Replace a user's password hash.
UPDATE user SET password = :password, one_time = :one_time WHERE name = :name COLLATE NOCASE;

-- name: delete_user
-- Delete a user.
DELETE FROM user WHERE name = :name COLLATE NOCASE;

-- name: list_tokens
-- All tokens, revoked ones too, the oldest first.
SELECT id, name, role, owner, added_at, revoked_at FROM token ORDER BY added_at, id;

-- name: get_token
-- The token with a digest, unless it was revoked.
SELECT id, name, role, owner, added_at, NULL FROM token WHERE digest = :digest AND revoked_at IS NULL;

-- name: insert_token
-- Add a token.
INSERT INTO token (id, name, role, owner, digest, added_at) VALUES (:id, :name, :role, :owner, :digest, :added_at);

-- name: revoke_token
-- Revoke a token that is still valid.
UPDATE token SET revoked_at = :at WHERE id = :id AND revoked_at IS NULL;
