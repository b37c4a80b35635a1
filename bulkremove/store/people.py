"""Users and tokens on disk. It keeps hashes and gives them back; whether a password is right is decided elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from bulkremove.rights import Role
from bulkremove.store.database import Database


@dataclass(frozen=True, slots=True)
class User:
    """A person who signs in on the page. ``added_at``: epoch seconds."""

    name: str
    role: Role
    added_at: float


@dataclass(frozen=True, slots=True)
class Token:
    """A program's way in, without its secret. Times are epoch seconds."""

    id: str
    name: str
    role: Role
    added_at: float
    revoked_at: float | None


class People:
    """The users and tokens of the journal."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def users(self) -> list[User]:
        """All users, by name."""
        found = self._db.execute("SELECT name, role, added_at FROM user ORDER BY name")
        return [User(name, Role(role), at) for name, role, at in found]

    def user(self, name: str) -> tuple[Role, str] | None:
        """A user's role and password hash; None if there is none of that name."""
        found = self._db.execute("SELECT role, password FROM user WHERE name = ?", name).fetchone()
        return None if found is None else (Role(found[0]), found[1])

    def add_user(self, name: str, role: Role, password: str, *, at: float) -> bool:
        """Store a user; False, and nothing changes, when the name is taken. ``password``: its hash."""
        changed = self._db.execute(
            "INSERT INTO user (name, role, password, added_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            *(name, role, password, at),
        )
        return changed.rowcount == 1

    def set_password(self, name: str, password: str) -> bool:
        """Replace a user's hash; False if there is none of that name."""
        return self._db.execute("UPDATE user SET password = ? WHERE name = ?", password, name).rowcount == 1

    def remove_user(self, name: str) -> bool:
        """Forget a user; False if there is none of that name."""
        return self._db.execute("DELETE FROM user WHERE name = ?", name).rowcount == 1

    def tokens(self) -> list[Token]:
        """All tokens, revoked ones too, the oldest first."""
        found = self._db.execute("SELECT id, name, role, added_at, revoked_at FROM token ORDER BY added_at, id")
        return [Token(key, name, Role(role), at, revoked) for key, name, role, at, revoked in found]

    def token_of(self, digest: str) -> Token | None:
        """The token of that SHA-256 (hex), unless it was revoked."""
        found = self._db.execute(
            "SELECT id, name, role, added_at FROM token WHERE digest = ? AND revoked_at IS NULL", digest
        ).fetchone()
        return None if found is None else Token(found[0], found[1], Role(found[2]), found[3], None)

    def add_token(self, token: Token, digest: str) -> None:
        self._db.execute(
            "INSERT INTO token (id, name, role, digest, added_at) VALUES (?, ?, ?, ?, ?)",
            *(token.id, token.name, token.role, digest, token.added_at),
        )

    def revoke_token(self, token_id: str, *, at: float) -> bool:
        """End a token; False if there is none of that id that is still good."""
        changed = self._db.execute("UPDATE token SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", at, token_id)
        return changed.rowcount == 1
