"""Who owns a file, and who this process is: users of the system, where it has such."""

from __future__ import annotations

import os
from pathlib import Path

try:
    from pwd import getpwuid
except ImportError:  # Windows
    getpwuid = None  # type: ignore[assignment]

ROOT = 0


def owner_of(path: Path) -> int | None:
    """The user id of the owner of a path, or of its nearest parent that exists; None where there are no such ids."""
    if getpwuid is None:
        return None
    while not path.exists() and path.parent != path:
        path = path.parent
    return path.stat().st_uid


def this_user() -> int | None:
    """The user id that this process acts as; None where there are no such ids."""
    return os.geteuid() if getpwuid is not None else None


def user_name(number: int) -> str:
    """The name of a user, or its number where the system knows no name."""
    try:
        return str(getpwuid(number).pw_name)
    except KeyError:
        return f"user {number}"
