"""Use cases for users and tokens. Passwords are stored as Argon2 hashes, tokens as SHA-256 digests.

Signing in does not reveal whether a name exists: an unknown name costs the same work as a wrong password.
"""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bulkremove.app.context import Context
from bulkremove.domain.errors import UserError
from bulkremove.domain.permissions import Role
from bulkremove.storage.interface.records import Act
from bulkremove.storage.interface.users import Token, User

if TYPE_CHECKING:  # it loads a C library that most commands do not need
    from argon2 import PasswordHasher

MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 200
"""Characters."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SessionUser:
    """A user as a session stores them. ``stamp``: digest of the password hash; when it changes, the session ends."""

    name: str
    role: Role
    stamp: str


def this_person() -> str:
    """The operating system's user who runs this program, as the audit log names them.

    By the process's user id, not by LOGNAME or USER, which anybody may set to pass for a second person.
    """
    try:
        import pwd
    except ImportError:  # Windows
        name = getpass.getuser()
    else:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # an id without a name, as in some containers
            name = f"user {os.getuid()}"
    return f"{name} on this machine"


class Users:
    """The users and tokens of one context."""

    def __init__(self, context: Context) -> None:
        self._storage, self._clock = context.storage, context.clock

    async def all(self) -> list[User]:
        """All users, by name."""
        return await self._storage.users.users()

    async def add_user(self, name: str, role: Role, password: str, *, by: str) -> None:
        """Add a user, who may sign in on the page. Raises UserError for a taken or invalid name, or a bad password."""
        if _NAME.fullmatch(name) is None:
            raise UserError(f"{name!r} is no user name: letters, digits, '.', '_', '@' and '-' only, at most 64.")
        password_hash = await self._hash(password)
        entry = self._act(by, "user_added", user=name, role=role.value)
        if not await self._storage.users.add_user(User(name, role, entry.at), password_hash, entry):
            raise UserError(f"There is a user {name!r} already.", hint="`bulkremove users` lists them.")

    async def set_password(self, name: str, password: str, *, by: str) -> None:
        """Replace a user's password, which ends their sessions. Raises UserError."""
        password_hash = await self._hash(password)
        if not await self._storage.users.set_password(name, password_hash, self._act(by, "password_set", user=name)):
            raise _no_such_user(name)

    async def remove_user(self, name: str, *, by: str) -> None:
        """Delete a user, which ends their sessions. Raises UserError."""
        if not await self._storage.users.remove_user(name, self._act(by, "user_removed", user=name)):
            raise _no_such_user(name)

    async def sign_in(self, name: str, password: str) -> SessionUser | None:
        """The user, or None for a wrong name or password; it takes the same time for a name that does not exist."""
        credentials = await self._storage.users.credentials(name)
        password_hash = credentials[1] if credentials else await asyncio.to_thread(lambda: self._dummy_hash)
        is_correct = await asyncio.to_thread(self._verify, password_hash, password[:MAX_PASSWORD_LENGTH])
        if credentials is None or not is_correct:
            # An unknown name is not logged: a password may have been typed into its field.
            await self._storage.audit.append(self._act(name if credentials else "an unknown name", "sign_in_failed"))
            return None
        await self._storage.audit.append(self._act(name, "signed_in"))
        return SessionUser(name, credentials[0], _stamp(password_hash))

    async def refresh(self, user: SessionUser) -> SessionUser | None:
        """The user with their present role; None once they were removed or have another password."""
        credentials = await self._storage.users.credentials(user.name)
        if credentials is None or _stamp(credentials[1]) != user.stamp:
            return None
        return SessionUser(user.name, credentials[0], user.stamp)

    async def tokens(self) -> list[Token]:
        """All tokens, revoked ones too."""
        return await self._storage.users.tokens()

    async def add_token(self, name: str, role: Role, *, by: str) -> tuple[Token, str]:
        """Add a token for a program; returns it and its secret, of which only a digest is stored. Raises UserError."""
        if _NAME.fullmatch(name) is None:
            raise UserError(f"{name!r} is no token name: letters, digits, '.', '_', '@' and '-' only, at most 64.")
        token = Token(secrets.token_hex(4), name, role, self._clock.wall(), None)
        secret = f"bulkremove_{secrets.token_urlsafe(32)}"
        entry = self._act(by, "token_added", token=token.id, name=name, role=role.value)
        await self._storage.users.add_token(token, _digest(secret), entry)
        return token, secret

    async def revoke_token(self, token_id: str, *, by: str) -> None:
        """Revoke a token at once. Raises UserError when there is no valid token of that id."""
        entry = self._act(by, "token_revoked", token=token_id)
        if not await self._storage.users.revoke_token(token_id, entry, at=entry.at):
            raise UserError(f"There is no valid token {token_id!r}.", hint="`bulkremove tokens` lists them.")

    async def bearer(self, secret: str) -> Token | None:
        """The valid token with this secret; None for any other text."""
        return await self._storage.users.token_of(_digest(secret))

    def _act(self, by: str, act: str, **details: object) -> Act:
        return Act(by, act, details, self._clock.wall())

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        return PasswordHasher()

    @cached_property
    def _dummy_hash(self) -> str:
        return self._hasher.hash(secrets.token_urlsafe(16))

    async def _hash(self, password: str) -> str:
        if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
            raise UserError(
                f"A password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters. Nothing was changed.",
                hint="A few words that you don't forget will do.",
            )
        return await asyncio.to_thread(self._hasher.hash, password)

    def _verify(self, password_hash: str, password: str) -> bool:
        from argon2.exceptions import VerificationError

        try:
            return self._hasher.verify(password_hash, password)
        except VerificationError:
            return False


def _no_such_user(name: str) -> UserError:
    return UserError(f"There is no user {name!r}.", hint="`bulkremove users` lists them.")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _stamp(password_hash: str) -> str:
    return hashlib.sha256(password_hash.encode()).hexdigest()
