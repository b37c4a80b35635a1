"""Who may do what: three roles, and the acts they allow. Pure; a role that is not named here may do nothing."""

from __future__ import annotations

from enum import StrEnum


class Right(StrEnum):
    """A kind of act."""

    LOOK = "look"
    """See plans, jobs and reports."""
    PREPARE = "prepare"
    """Upload a file and have its plan made; nothing is removed by it."""
    PAUSE = "pause"
    """Stop a job so that it can go on later: whoever sees something wrong may do that."""
    APPROVE = "approve"
    """Confirm a plan, resume, cancel, retry, and note what was found about an unknown row."""
    AUDIT = "audit"
    """Read the audit log."""


class Role(StrEnum):
    """What a person or a program may be."""

    PREPARER = "preparer"
    APPROVER = "approver"
    ADMIN = "admin"


_ANYONE = frozenset({Right.LOOK, Right.PREPARE, Right.PAUSE})
_RIGHTS = {
    Role.PREPARER: _ANYONE,
    Role.APPROVER: _ANYONE | {Right.APPROVE},
    Role.ADMIN: frozenset(Right),
}


def may(role: Role, right: Right) -> bool:
    """Whether the role has the right."""
    return right in _RIGHTS[role]
