"""Permissions: three roles and the rights of each. Pure."""

from __future__ import annotations

from enum import StrEnum


class Right(StrEnum):
    """A permission to do something."""

    LOOK = "look"
    """See plans, jobs and reports."""
    PREPARE = "prepare"
    """Upload a file and make its plan; this removes nothing."""
    PAUSE = "pause"
    """Pause a job so that it can be resumed; every role has this right, since anybody may notice a mistake."""
    APPROVE = "approve"
    """Confirm a plan; resume, cancel or retry a job; add a note to an unknown row; accept a wording."""
    AUDIT = "audit"
    """Read the audit log."""


class Role(StrEnum):
    """The role of a user or an API token."""

    PREPARER = "preparer"
    APPROVER = "approver"
    ADMIN = "admin"


_COMMON_RIGHTS = frozenset({Right.LOOK, Right.PREPARE, Right.PAUSE})
_RIGHTS = {
    Role.PREPARER: _COMMON_RIGHTS,
    Role.APPROVER: _COMMON_RIGHTS | {Right.APPROVE},
    Role.ADMIN: frozenset(Right),
}


def may(role: Role, right: Right) -> bool:
    """Whether the role has the right."""
    return right in _RIGHTS[role]
