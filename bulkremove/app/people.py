"""Users and tokens as use cases: who may come in, and as what. Passwords are hashed with Argon2 and never shown.

Nobody is ever told whether a name exists: a wrong name costs the same work as a wrong password.
"""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import re
import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bulkremove.errors import NoSuchPerson
from bulkremove.model import Clock
from bulkremove.rights import Role
from bulkremove.store import Journal, Token, User

if TYPE_CHECKING:  # it loads a C library that most commands do without
    from argon2 import PasswordHasher

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 200
"""Characters."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Known:
    """A user as a session remembers them: when role or stamp changes, the session is over."""

    name: str
    role: Role
    stamp: str


def this_person() -> str:
    """Whoever runs this program, as the audit log names them."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # an id without a name, as in some containers
        name = "somebody"
    return f"{name} on this machine"


class People:
    """The users and tokens of one journal."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def users(self) -> list[User]:
        """All users, by name."""
        return self._journal.people.users()

    def add_user(self, name: str, role: Role, password: str, *, by: str) -> None:
        """Let a person sign in. Raises NoSuchPerson when name or password won't do."""
        if _NAME.fullmatch(name) is None:
            raise NoSuchPerson(f"{name!r} is no user name: letters, digits, '.', '_', '@' and '-' only, at most 64.")
        hashed = self._hashed(password)
        with self._journal.transaction():
            if not self._journal.people.add_user(name, role, hashed, at=self._clock.wall()):
                raise NoSuchPerson(f"There is a user {name!r} already.", hint="`bulkremove users` lists them.")
            self._record(by, "user_added", user=name, role=role.value)

    def set_password(self, name: str, password: str, *, by: str) -> None:
        """Give a user another password; their sessions end. Raises NoSuchPerson."""
        hashed = self._hashed(password)
        with self._journal.transaction():
            if not self._journal.people.set_password(name, hashed):
                raise _nobody(name)
            self._record(by, "password_set", user=name)

    def remove_user(self, name: str, *, by: str) -> None:
        """Let a person in no more; their sessions end. Raises NoSuchPerson."""
        with self._journal.transaction():
            if not self._journal.people.remove_user(name):
                raise _nobody(name)
            self._record(by, "user_removed", user=name)

    async def sign_in(self, name: str, password: str) -> Known | None:
        """The user, if name and password are right. It takes the same time for a name that does not exist."""
        found = self._journal.people.user(name)
        stored = found[1] if found else self._nobodys_hash
        right = await asyncio.to_thread(self._right, stored, password[:LONGEST_PASSWORD])
        if found is None or not right:
            # What was typed as a name may be a password.
            self._record(name if found else "an unknown name", "sign_in_failed")
            return None
        self._record(name, "signed_in")
        return Known(name, found[0], _stamp(found[1]))

    def still(self, known: Known) -> Known | None:
        """The user as they are now; None once they were removed or have another password."""
        found = self._journal.people.user(known.name)
        if found is None or _stamp(found[1]) != known.stamp:
            return None
        return Known(known.name, found[0], known.stamp)

    def tokens(self) -> list[Token]:
        """All tokens, revoked ones too."""
        return self._journal.people.tokens()

    def add_token(self, name: str, role: Role, *, by: str) -> tuple[Token, str]:
        """Let a program in; the token and its secret, which is kept nowhere. Raises NoSuchPerson."""
        if _NAME.fullmatch(name) is None:
            raise NoSuchPerson(f"{name!r} is no token name: letters, digits, '.', '_', '@' and '-' only, at most 64.")
        token = Token(secrets.token_hex(4), name, role, self._clock.wall(), None)
        secret = f"bulkremove_{secrets.token_urlsafe(32)}"
        with self._journal.transaction():
            self._journal.people.add_token(token, _digest(secret))
            self._record(by, "token_added", token=token.id, name=name, role=role.value)
        return token, secret

    def revoke_token(self, token_id: str, *, by: str) -> None:
        """End a token at once. Raises NoSuchPerson."""
        with self._journal.transaction():
            if not self._journal.people.revoke_token(token_id, at=self._clock.wall()):
                raise NoSuchPerson(
                    f"There is no token {token_id!r} that is good.", hint="`bulkremove tokens` lists them."
                )
            self._record(by, "token_revoked", token=token_id)

    def bearer(self, secret: str) -> Token | None:
        """The token whose secret this is; None for any other text."""
        return self._journal.people.token_of(_digest(secret))

    def _record(self, by: str, act: str, **facts: object) -> None:
        self._journal.audit.append(by, act, facts, at=self._clock.wall())

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        return PasswordHasher()

    @cached_property
    def _nobodys_hash(self) -> str:
        return self._hasher.hash(secrets.token_urlsafe(16))

    def _hashed(self, password: str) -> str:
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise NoSuchPerson(
                f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters. Nothing was changed.",
                hint="A few words that you don't forget will do.",
            )
        return self._hasher.hash(password)

    def _right(self, stored: str, password: str) -> bool:
        from argon2.exceptions import VerificationError

        try:
            return self._hasher.verify(stored, password)
        except VerificationError:
            return False


def _nobody(name: str) -> NoSuchPerson:
    return NoSuchPerson(f"There is no user {name!r}.", hint="`bulkremove users` lists them.")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _stamp(stored: str) -> str:
    return hashlib.sha256(stored.encode()).hexdigest()
