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

from bulkremove.app.consent import ON_THIS_MACHINE
from bulkremove.app.context import Context
from bulkremove.domain.clock import Epoch, seconds_between
from bulkremove.domain.errors import UserError
from bulkremove.domain.permissions import Role
from bulkremove.storage.interface.records import Act
from bulkremove.storage.interface.users import Token, User, UserCredentials

if TYPE_CHECKING:  # it loads a C library that most commands do not need
    from argon2 import PasswordHasher

MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 200
"""Characters."""
MIN_SCORE = 3
"""zxcvbn's score from which on a password is safe against guessing (10**8 guesses)."""
MAX_GUESSED_LENGTH = 72
"""Characters that zxcvbn looks at; it takes no more."""
FAILURES_TOGETHER = 3600.0
"""Seconds after a recorded failed sign-in in which those of the same name are only counted."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SessionUser:
    """A user as a session stores them. ``stamp``: digest of the password hash; when it changes, the session ends."""

    name: str
    role: Role
    stamp: str
    one_time: bool = False
    """Whether the password was set by somebody else, and must be replaced before anything else."""


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
    return f"{name.replace(',', ' ')}{ON_THIS_MACHINE}"  # names are stored with commas between them


class Users:
    """The users and tokens of one context."""

    def __init__(self, context: Context) -> None:
        self._storage, self._clock = context.storage, context.clock
        self._failures: dict[str, tuple[Epoch, int]] = {}
        """By name: when a failed sign-in was last recorded, and how many came since."""

    async def all(self) -> list[User]:
        """All users, by name."""
        return await self._storage.users.users()

    async def add_user(self, name: str, role: Role, password: str, *, by: str, one_time: bool = False) -> None:
        """Add a user, who may sign in on the page. Raises UserError for a taken or invalid name, or a bad password.

        ``one_time``: at the first sign-in the user must choose another password.
        """
        if _NAME.fullmatch(name) is None:
            raise UserError(f"{name!r} is no user name: letters, digits, '.', '_', '@' and '-' only, at most 64.")
        password_hash = await self._hash(password, name)
        entry = self._act(by, "user_added", user=name, role=role.value)
        user = User(name, role, entry.at)
        if not await self._storage.users.add_user(user, password_hash, entry, one_time=one_time):
            raise UserError(f"There is a user {name!r} already.", hint="`bulkremove users` lists them.")

    async def set_password(self, name: str, password: str, *, by: str, one_time: bool = False) -> None:
        """Replace a user's password, which ends their sessions. Raises UserError."""
        password_hash, entry = await self._hash(password, name), self._act(by, "password_set", user=name)
        if not await self._storage.users.set_password(name, password_hash, entry, one_time=one_time):
            raise _no_such_user(name)

    async def change_password(self, name: str, old: str, new: str) -> SessionUser | None:
        """Replace a user's own password; None when ``old`` is wrong. Raises UserError for a bad or unchanged one."""
        if old == new:
            raise UserError("The new password is the present one. Nothing was changed.")
        user = await self.sign_in(name, old)
        if user is not None:
            await self.set_password(user.name, new, by=user.name)
        return user and await self._present(user.name)

    async def remove_user(self, name: str, *, by: str) -> None:
        """Delete a user, which ends their sessions. Raises UserError."""
        if not await self._storage.users.remove_user(name, self._act(by, "user_removed", user=name)):
            raise _no_such_user(name)

    async def sign_in(self, name: str, password: str) -> SessionUser | None:
        """The user, or None for a wrong name or password; it takes the same time for a name that does not exist."""
        credentials = await self._storage.users.credentials(name)
        password_hash = credentials.password if credentials else await asyncio.to_thread(lambda: self._dummy_hash)
        is_correct = await asyncio.to_thread(self._verify, password_hash, password[:MAX_PASSWORD_LENGTH])
        # A longer one is none of ours; the hash is computed all the same, so that it takes the same time.
        if credentials is None or not is_correct or len(password) > MAX_PASSWORD_LENGTH:
            # An unknown name is not logged: a password may have been typed into its field.
            await self._record_failure(credentials.name if credentials else "an unknown name")
            return None
        _, failed = self._failures.pop(credentials.name, (0.0, 0))
        facts = {"failed_before": failed} if failed else {}
        await self._storage.audit.append(self._act(credentials.name, "signed_in", **facts))
        return _session_user(credentials)

    async def _record_failure(self, name: str) -> None:
        """Record a failed sign-in; those of the next hour are counted, so that guessing does not fill the audit log."""
        now = self._clock.wall()
        recorded_at, since = self._failures.get(name, (None, 0))
        if recorded_at is not None and seconds_between(recorded_at, now) < FAILURES_TOGETHER:
            self._failures[name] = recorded_at, since + 1
            return
        facts = {"failed_before": since} if since else {}
        self._failures[name] = now, 0
        await self._storage.audit.append(self._act(name, "sign_in_failed", **facts))

    async def refresh(self, user: SessionUser) -> SessionUser | None:
        """The user with their present role; None once they were removed or have another password."""
        present = await self._present(user.name)
        return present if present is not None and present.stamp == user.stamp else None

    async def _present(self, name: str) -> SessionUser | None:
        credentials = await self._storage.users.credentials(name)
        return None if credentials is None else _session_user(credentials)

    async def tokens(self) -> list[Token]:
        """All tokens, revoked ones too."""
        return await self._storage.users.tokens()

    async def add_token(self, name: str, role: Role, *, by: str, owner: str = "") -> tuple[Token, str]:
        """Add a token for a program; returns it and its secret, of which only a digest is stored. Raises UserError.

        ``owner``: the person who is responsible for it, else who adds it; under ``four_eyes`` both are one person.
        """
        if owner and _NAME.fullmatch(owner) is None:
            raise UserError(f"{owner!r} is no user name: letters, digits, '.', '_', '@' and '-' only, at most 64.")
        if _NAME.fullmatch(name) is None:
            raise UserError(f"{name!r} is no token name: letters, digits, '.', '_', '@' and '-' only, at most 64.")
        token = Token(secrets.token_hex(4), name, role, owner or by, self._clock.wall(), None)
        secret = f"bulkremove_{secrets.token_urlsafe(32)}"
        entry = self._act(by, "token_added", token=token.id, name=name, role=role.value, owner=token.owner)
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

    async def _hash(self, password: str, name: str) -> str:
        if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
            raise UserError(
                f"A password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters. Nothing was changed.",
                hint="A few words that you don't forget will do.",
            )
        if await asyncio.to_thread(_is_guessable, password, name):
            raise UserError(
                "This password is easily guessed. Nothing was changed.",
                hint="A few words that don't belong together do.",
            )
        return await asyncio.to_thread(self._hasher.hash, password)

    def _verify(self, password_hash: str, password: str) -> bool:
        from argon2.exceptions import VerificationError

        try:
            return self._hasher.verify(password_hash, password)
        except VerificationError:
            return False


def _session_user(credentials: UserCredentials) -> SessionUser:
    stamp = _stamp(credentials.password)
    return SessionUser(credentials.name, credentials.role, stamp, credentials.one_time)


def _is_guessable(password: str, name: str) -> bool:
    from zxcvbn import zxcvbn

    guess = zxcvbn(password[:MAX_GUESSED_LENGTH], user_inputs=[name, "bulkremove", "zoho", "people"])
    return int(guess["score"]) < MIN_SCORE


def _no_such_user(name: str) -> UserError:
    return UserError(f"There is no user {name!r}.", hint="`bulkremove users` lists them.")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _stamp(password_hash: str) -> str:
    return hashlib.sha256(password_hash.encode()).hexdigest()
