"""Users of the page and API tokens."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from bulkremove.domain.clock import Epoch
from bulkremove.domain.permissions import Access
from bulkremove.storage.interface.records import Record


@dataclass(frozen=True, slots=True)
class User:
    """A person who signs in on the page."""

    name: str
    access: Access
    added_at: Epoch


@dataclass(frozen=True, slots=True)
class UserCredentials:
    """What a sign-in is checked against. ``password``: its hash; ``one_time``: it must be replaced at once."""

    name: str
    access: Access
    password: str
    one_time: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """The API token of a program, without its secret."""

    id: str
    name: str
    access: Access
    """What it was given; its owner's present access limits it (``app.users``)."""
    owner: str
    """The person who is responsible for it, as the audit log names them; empty for one that an older version made."""
    added_at: Epoch
    revoked_at: Epoch | None


Check = Callable[[Collection[User], Collection[User]], None]
"""Is given all users as they are and as they would be, in the transaction that changes them. Pure."""


class UserStore(Protocol):
    """The store of users and tokens; of passwords and tokens it keeps only hashes."""

    async def users(self) -> list[User]:
        """All users, by name."""
        ...

    async def credentials(self, name: str) -> UserCredentials | None:
        """The credentials of a user; None if there is no such user. Letter case is ignored here and below."""
        ...

    async def add_user(self, user: User, password: str, *records: Record, one_time: bool = False) -> bool:
        """Add a user. ``password``: its hash. False, and nothing changes, if the name is taken."""
        ...

    async def set_password(self, name: str, password: str, *records: Record, one_time: bool = False) -> bool:
        """Replace a user's password hash; False if there is no such user."""
        ...

    async def set_access(self, name: str, access: Access, check: Check, *records: Record) -> bool:
        """Replace what a user may do; False if there is no such user. Raises what ``check`` raises."""
        ...

    async def remove_user(self, name: str, check: Check, *records: Record, at: Epoch) -> bool:
        """Delete a user and revoke their tokens; False if there is no such user. Raises what ``check`` raises."""
        ...

    async def withdraw_account(self, account: str, *records: Record) -> list[str]:
        """Take the roles for an account from all users and tokens; the names of those who had one.

        Nothing is written if nobody had.
        """
        ...

    async def tokens(self) -> list[Token]:
        """All tokens, including the revoked ones, the oldest first."""
        ...

    async def token_of(self, digest: str) -> Token | None:
        """The token with this SHA-256 (hex); None if there is none or it was revoked."""
        ...

    async def add_token(self, token: Token, digest: str, *records: Record) -> None:
        """Add a token. ``digest``: SHA-256 (hex) of its secret."""
        ...

    async def revoke_token(self, token_id: str, *records: Record, at: Epoch) -> bool:
        """Revoke a token. False if there is no valid token with this id."""
        ...
