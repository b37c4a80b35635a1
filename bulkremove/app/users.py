"""Use cases for users, whose passwords are stored as Argon2 hashes.

Signing in does not reveal whether a name exists: an unknown name costs the same work as a wrong password. What a user
may do is read anew for each request.
"""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import os
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bulkremove.app.accounts import Accounts
from bulkremove.app.consent import ON_THIS_MACHINE
from bulkremove.app.context import Context
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch, seconds_between
from bulkremove.domain.errors import UserError
from bulkremove.domain.permissions import ALL_ACCOUNTS, Access, Role
from bulkremove.storage.interface.records import Act
from bulkremove.storage.interface.users import Token, User, UserCredentials

if TYPE_CHECKING:  # it loads a C library that most commands do not need
    from argon2 import PasswordHasher

MIN_PASSWORD_LENGTH = 12
MAX_PASSWORD_LENGTH = 200
"""Characters."""
MIN_PASSWORD_SCORE = 3
"""zxcvbn's score from which on a password is safe against guessing (10**8 guesses)."""
MAX_GUESSED_LENGTH = 72
"""Characters that zxcvbn looks at; it takes no more."""
FAILURE_LOG_INTERVAL_SECONDS = 3600.0
"""Seconds after a recorded failed sign-in in which those of the same name are only counted."""
USERS_HINT = "`bulkremove users` lists them."
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
"""Names of users and tokens."""


@dataclass(frozen=True, slots=True)
class SessionUser:
    """A user as a session stores them. ``password_digest``: of the password hash; when it changes, the session ends."""

    name: str
    access: Access
    password_digest: str
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
    """The users of one context."""

    def __init__(self, context: Context, accounts: Accounts) -> None:
        self._storage, self._clock, self._accounts = context.storage, context.clock, accounts
        self._failures: dict[str, tuple[Epoch, int]] = {}
        """By name: when a failed sign-in was last recorded, and how many came since."""

    async def all(self) -> list[User]:
        """All users, by name."""
        return await self._storage.users.users()

    async def add_user(self, name: str, access: Access, password: str, *, by: str, one_time: bool = False) -> None:
        """Add a user, who may sign in on the page. Raises UserError for a taken or invalid name, or a bad password.

        The accounts that ``access`` names must be known here.

        ``one_time``: at the first sign-in the user must choose another password.
        """
        if NAME.fullmatch(name) is None:
            raise UserError(
                f"{name!r} is not a valid user name: letters, digits, '.', '_', '@' and '-' only, at most 64."
            )
        await self._accounts.check_known(access.roles)
        password_hash = await self._hash(password, name)
        entry = self._act(by, AuditAct.USER_ADDED, user=name, role=str(access))
        user = User(name, access, entry.at)
        if not await self._storage.users.add_user(user, password_hash, entry, one_time=one_time):
            raise UserError(f"There is a user {name!r} already.", hint=USERS_HINT)

    async def set_password(self, name: str, password: str, *, by: str, one_time: bool = False) -> None:
        """Replace a user's password, which ends their sessions. Raises UserError."""
        password_hash, entry = await self._hash(password, name), self._act(by, AuditAct.PASSWORD_SET, user=name)
        if not await self._storage.users.set_password(name, password_hash, entry, one_time=one_time):
            raise _no_such_user(name)

    async def change_password(self, name: str, old: str, new: str) -> SessionUser | None:
        """Replace a user's own password; None when ``old`` is wrong. Raises UserError for a bad or unchanged one."""
        if old == new:
            raise UserError("The new password is the present one. Nothing was changed.")
        user = await self.sign_in(name, old, is_confirmation=True)
        if user is not None:
            await self.set_password(user.name, new, by=user.name)
        return user and await self._load_session_user(user.name)

    async def change_access(self, name: str, access: Access, *, by: str) -> None:
        """Replace what a user may do, at once: in their sessions, on pages that are open, and by their tokens.

        Raises UserError, also for the last user who is an admin for all accounts.
        """
        await self._accounts.check_known(access.roles)
        entry = self._act(by, AuditAct.ROLE_CHANGED, user=name, role=str(access))
        if not await self._storage.users.set_access(name, access, _check_admin_is_left, entry):
            raise _no_such_user(name)

    async def remove_user(self, name: str, *, by: str) -> list[Token]:
        """Delete a user, which ends their sessions, and return their tokens, which are revoked. Raises UserError.

        The last admin for all accounts stays while there are other users.
        """
        tokens = await self._storage.users.tokens()
        owned = [token for token in tokens if not token.revoked_at and token.owner.lower() == name.lower()]
        entry = self._act(by, AuditAct.USER_REMOVED, user=name, tokens=[token.id for token in owned])
        if not await self._storage.users.remove_user(name, _check_admin_is_left, entry, at=entry.at):
            raise _no_such_user(name)
        return owned

    async def sign_in(self, name: str, password: str, *, is_confirmation: bool = False) -> SessionUser | None:
        """The user, or None for a wrong name or password; it takes the same time for a name that does not exist.

        ``is_confirmation``: the user has a session, so that a right password is no sign-in for the audit log.
        """
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
        if not is_confirmation:
            await self._storage.audit.append(self._act(credentials.name, AuditAct.SIGNED_IN, **facts))
        return _session_user(credentials)

    async def _record_failure(self, name: str) -> None:
        """Record a failed sign-in; those of the next hour are counted, so that guessing does not fill the audit log."""
        now = self._clock.wall()
        recorded_at, since = self._failures.get(name, (None, 0))
        if recorded_at is not None and seconds_between(recorded_at, now) < FAILURE_LOG_INTERVAL_SECONDS:
            self._failures[name] = recorded_at, since + 1
            return
        facts = {"failed_before": since} if since else {}
        self._failures[name] = now, 0
        await self._storage.audit.append(self._act(name, AuditAct.SIGN_IN_FAILED, **facts))

    async def refresh(self, user: SessionUser) -> SessionUser | None:
        """The user with their present role; None once they were removed or have another password."""
        present = await self._load_session_user(user.name)
        return present if present is not None and present.password_digest == user.password_digest else None

    async def _load_session_user(self, name: str) -> SessionUser | None:
        credentials = await self._storage.users.credentials(name)
        return None if credentials is None else _session_user(credentials)

    async def withdraw_account(self, account: str, *, by: str) -> list[str]:
        """Take the roles for an account that is removed from all users and tokens; the names of those who had one.

        An account that gets the same name later may be of another organisation.
        """
        return await self._storage.users.withdraw_account(
            account, self._act(by, AuditAct.ROLES_WITHDRAWN, account=account)
        )

    def _act(self, by: str, act: AuditAct, **details: object) -> Act:
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
    password_digest = _password_digest(credentials.password)
    return SessionUser(credentials.name, credentials.access, password_digest, credentials.one_time)


def _check_admin_is_left(before: Collection[User], after: Collection[User]) -> None:
    """Check that a change leaves an admin for all accounts, unless it leaves no user at all. Raises UserError."""
    admins, left = ([user.name for user in users if _is_admin(user)] for users in (before, after))
    if admins and after and not left:
        raise UserError(
            f"{admins[0]} is the last admin for all accounts. Nothing was changed.",
            hint="Make another user one first: `bulkremove users change NAME --role admin`.",
        )


def _is_admin(user: User) -> bool:
    return user.access.role_on(ALL_ACCOUNTS) is Role.ADMIN


def _is_guessable(password: str, name: str) -> bool:
    from zxcvbn import zxcvbn

    guess = zxcvbn(password[:MAX_GUESSED_LENGTH], user_inputs=[name, "bulkremove", "zoho", "people"])
    return int(guess["score"]) < MIN_PASSWORD_SCORE


def _no_such_user(name: str) -> UserError:
    return UserError(f"There is no user {name!r}.", hint=USERS_HINT)


def _password_digest(password_hash: str) -> str:
    return hashlib.sha256(password_hash.encode()).hexdigest()
