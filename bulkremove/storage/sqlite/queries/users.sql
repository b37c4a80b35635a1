-- Users and tokens; of passwords and tokens only hashes are stored.

-- name: list_users
-- All users, by name.
SELECT name, roles, added_at FROM user ORDER BY name;

-- name: get_user
-- A user's name, roles and password hash, and whether it is a one-time password. Letter case is ignored.
SELECT name, roles, password, one_time FROM user WHERE name = :name COLLATE NOCASE;

-- name: insert_user
-- Add a user unless the name is taken, in whatever letter case.
INSERT INTO user (name, roles, password, added_at, one_time)
SELECT :name, :roles, :password, :at, :one_time
WHERE NOT EXISTS (SELECT 1 FROM user WHERE name = :name COLLATE NOCASE);

-- name: set_password
-- Replace a user's password hash.
UPDATE user SET password = :password, one_time = :one_time WHERE name = :name COLLATE NOCASE;

-- name: set_roles
-- Replace a user's roles.
UPDATE user SET roles = :roles WHERE name = :name COLLATE NOCASE;

-- name: revoke_tokens_of
-- Revoke the tokens of an owner that are still valid.
UPDATE token SET revoked_at = :at WHERE owner = :name COLLATE NOCASE AND revoked_at IS NULL;

-- name: withdraw_from_users
-- Take the role for an account from all users.
UPDATE user SET roles = json_remove(roles, '$."' || :account || '"')
WHERE json_type(roles, '$."' || :account || '"') IS NOT NULL RETURNING name;

-- name: withdraw_from_tokens
-- Take the role for an account from all tokens.
UPDATE token SET roles = json_remove(roles, '$."' || :account || '"')
WHERE json_type(roles, '$."' || :account || '"') IS NOT NULL RETURNING 'token ' || name;

-- name: delete_user
-- Delete a user.
DELETE FROM user WHERE name = :name COLLATE NOCASE;

-- name: list_tokens
-- All tokens, revoked ones too, the oldest first.
SELECT id, name, roles, owner, added_at, revoked_at FROM token ORDER BY added_at, id;

-- name: get_token
-- The token with a digest, unless it was revoked.
SELECT id, name, roles, owner, added_at, NULL FROM token WHERE digest = :digest AND revoked_at IS NULL;

-- name: insert_token
-- Add a token.
INSERT INTO token (id, name, roles, owner, digest, added_at) VALUES (:id, :name, :roles, :owner, :digest, :added_at);

-- name: revoke_token
-- Revoke a token that is still valid.
UPDATE token SET revoked_at = :at WHERE id = :id AND revoked_at IS NULL;
