"""Users and tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bulkremove.domain.permissions import Role
from bulkremove.storage.interface.records import Record


@dataclass(frozen=True, slots=True)
class User:
    """A person who signs in on the page. ``added_at``: epoch seconds."""

    name: str
    role: Role
    added_at: float


@dataclass(frozen=True, slots=True)
class Token:
    """A program's access, without its secret. Times are epoch seconds."""

    id: str
    name: str
    role: Role
    added_at: float
    revoked_at: float | None


class UserStore(Protocol):
    """Users and tokens; hashes only."""

    async def users(self) -> list[User]:
        """All users, by name."""
        ...

    async def credentials(self, name: str) -> tuple[Role, str] | None:
        """A user's role and password hash; None if there is none of that name."""
        ...

    async def add_user(self, user: User, password: str, *records: Record) -> bool:
        """Store a user; False, and nothing changes, when the name is taken. ``password``: its hash."""
        ...

    async def set_password(self, name: str, password: str, *records: Record) -> bool:
        """Replace a user's hash; False if there is none of that name."""
        ...

    async def remove_user(self, name: str, *records: Record) -> bool:
        """Delete a user; False if there is none of that name."""
        ...

    async def tokens(self) -> list[Token]:
        """All tokens, revoked ones too, the oldest first."""
        ...

    async def token_of(self, digest: str) -> Token | None:
        """The token of that SHA-256 (hex), unless it was revoked."""
        ...

    async def add_token(self, token: Token, digest: str, *records: Record) -> None: ...
    async def revoke_token(self, token_id: str, *records: Record, at: float) -> bool:
        """End a token; False if there is none of that id that is still valid."""
        ...
