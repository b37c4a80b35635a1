"""Permissions: three roles, the rights of each, and on which accounts somebody has which role. Pure.

``Access.may`` is the one question that is asked before anything is shown or done: may they do this on that account?
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ALL_ACCOUNTS = "*"
"""Stands for all accounts, also those that come later; no account has this name."""
_AT = "@"
"""Between a role and its account: ``approver@school``. No account's name has it."""


class Permission(StrEnum):
    """A permission to do something."""

    LOOK = "look"
    """See plans, jobs and reports."""
    PREPARE = "prepare"
    """Upload a file and make its plan; this removes nothing."""
    PAUSE = "pause"
    """Pause a job so that it can be resumed; every role has this right, since anybody may notice a mistake."""
    APPROVE = "approve"
    """Confirm a plan; resume, cancel or retry a job; add a note to an unknown row; accept a wording."""
    EXCEED = "exceed"
    """Confirm a plan over a cap, with a reason."""
    AUDIT = "audit"
    """Read the audit log."""
    MANAGE = "manage"
    """Change users, tokens, sessions, accounts and the list of protected learners; for all accounts only."""


class Role(StrEnum):
    """The role of a user or an API token on an account. Each has the rights of those before it."""

    PREPARER = "preparer"
    APPROVER = "approver"
    ADMIN = "admin"


_COMMON_RIGHTS = frozenset({Permission.LOOK, Permission.PREPARE, Permission.PAUSE})
_RIGHTS = {
    Role.PREPARER: _COMMON_RIGHTS,
    Role.APPROVER: _COMMON_RIGHTS | {Permission.APPROVE},
    Role.ADMIN: frozenset(Permission),
}


@dataclass(frozen=True, slots=True)
class AccountSet:
    """Some accounts by name, or all of them, also those that come later; by default none."""

    names: frozenset[str] = frozenset()
    is_all: bool = False

    @classmethod
    def only(cls, account: str) -> AccountSet:
        """One account."""
        return cls(frozenset({account}))

    def __bool__(self) -> bool:
        return self.is_all or bool(self.names)

    def __contains__(self, account: str) -> bool:
        return self.is_all or account in self.names


EVERY_ACCOUNT = AccountSet(is_all=True)
"""For what the program does itself, and for whoever uses its command line: they can read the journal anyway."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a user or a token may do: ``roles`` by account, or for ``ALL_ACCOUNTS``. Without any: nothing.

    Where both an account and all accounts have a role, the higher one counts.
    """

    roles: Mapping[str, Role] = field(default_factory=dict)

    @classmethod
    def everywhere(cls, role: Role) -> Access:
        """A role for all accounts."""
        return cls({ALL_ACCOUNTS: role})

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Access:
        """Parse ``ROLE`` (for all accounts) or ``ROLE@ACCOUNT``, each. Raises ValueError."""
        roles: dict[str, Role] = {}
        for text in texts:
            role, at, account = text.partition(_AT)
            if role not in set(Role) or (at and account in ("", ALL_ACCOUNTS)):
                names = ", ".join(Role)
                raise ValueError(f"{text!r} is no role: write one of {names}, or for one account only, ROLE@ACCOUNT.")
            account = account or ALL_ACCOUNTS
            if account in roles:
                raise ValueError(f"{text!r} gives a second role for the same accounts.")
            roles[account] = Role(role)
        return cls(roles)

    def joined(self, other: Access) -> Access:
        """What one of both allows."""
        return self._combined(other, max)

    def limited_to(self, other: Access) -> Access:
        """What both allow."""
        return self._combined(other, min)

    def is_within(self, other: Access) -> bool:
        """Whether the other allows all of this."""
        return self.limited_to(other) == self.joined(self)

    def role_on(self, account: str) -> Role | None:
        """The role on an account, None without one; ``ALL_ACCOUNTS``: that for all."""
        roles = [self.roles[key] for key in (account, ALL_ACCOUNTS) if key in self.roles]
        return max(roles, key=_rank, default=None)

    def may(self, right: Permission, account: str) -> bool:
        """Whether they may do this on that account."""
        role = self.role_on(account)
        return role is not None and right in _RIGHTS[role]

    def accounts(self, right: Permission) -> AccountSet:
        """The accounts on which they may do this."""
        names = frozenset(account for account in self.roles if self.may(right, account))
        return EVERY_ACCOUNT if ALL_ACCOUNTS in names else AccountSet(names)

    @property
    def texts(self) -> list[str]:
        """As ``parse`` reads it, the role for all accounts first."""
        return [role if account == ALL_ACCOUNTS else f"{role}{_AT}{account}" for account, role in self._sorted()]

    @property
    def words(self) -> str:
        """The same for people: ``approver for account school``."""
        words = (
            f"{role} for {'all accounts' if account == ALL_ACCOUNTS else f'account {account}'}"
            for account, role in self._sorted()
        )
        return ", ".join(words) or "no role"

    def _sorted(self) -> list[tuple[str, Role]]:
        return sorted(self.roles.items(), key=lambda item: (item[0] != ALL_ACCOUNTS, item[0]))

    def _combined(self, other: Access, choose: Callable[..., Role | None]) -> Access:
        roles = {key: choose(self.role_on(key), other.role_on(key), key=_rank) for key in {*self.roles, *other.roles}}
        everywhere = _rank(roles.get(ALL_ACCOUNTS))
        return Access(
            {
                key: role
                for key, role in roles.items()
                if role is not None and (key == ALL_ACCOUNTS or _rank(role) > everywhere)
            }
        )

    def __str__(self) -> str:
        return " and ".join(self.texts) or "no role"


def _rank(role: Role | None) -> int:
    return -1 if role is None else [*Role].index(role)
