-- Users and tokens; of passwords and tokens only hashes are stored.

-- name: list_users
-- All users, by name.
SELECT name, role, added_at FROM user ORDER BY name;

-- name: get_user
-- A user's role and password hash.
SELECT role, password FROM user WHERE name = :name;

-- name: insert_user
-- Add a user unless the name is taken.
INSERT INTO user (name, role, password, added_at) VALUES (:name, :role, :password, :at) ON CONFLICT DO NOTHING;

-- name: set_password
-- Replace a user's password hash.
UPDATE user SET password = :password WHERE name = :name;

-- name: delete_user
-- Delete a user.
DELETE FROM user WHERE name = :name;

-- name: list_tokens
-- All tokens, revoked ones too, the oldest first.
SELECT id, name, role, added_at, revoked_at FROM token ORDER BY added_at, id;

-- name: get_token
-- The token with a digest, unless it was revoked.
SELECT id, name, role, added_at, NULL FROM token WHERE digest = :digest AND revoked_at IS NULL;

-- name: insert_token
-- Add a token.
INSERT INTO token (id, name, role, digest, added_at) VALUES (:id, :name, :role, :digest, :added_at);

-- name: revoke_token
-- Revoke a token that is still valid.
UPDATE token SET revoked_at = :at WHERE id = :id AND revoked_at IS NULL;
