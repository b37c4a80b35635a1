"""Operations: the calls to Zoho People that are made for rows of a file. A plan names its operation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Operation:
    """One documented call.

    ``name`` is stored in the journal and part of the plan's hash, so it never changes. ``path`` has a placeholder for
    the id of each of ``roles``, in their order. Each of ``scopes`` permits the call; the narrowest comes first.
    """

    name: str
    method: str
    path: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...]

    def path_of(self, ids: Iterable[str]) -> str:
        """Return the path of the call for these ids, which must be digits."""
        return self.path.format(**dict(zip(self.roles, ids, strict=True)))

    def ids_of(self, method: str, path: str) -> tuple[str, ...] | None:
        """Return the ids if method and path are exactly those of this operation; None otherwise."""
        match = _pattern(self.path).fullmatch(path)
        return match.groups() if match is not None and method == self.method else None


REMOVE_LEARNER = Operation(
    "remove learner from batch",
    "DELETE",
    "/api/v1/courses/{course}/batches/{batch}/learners/{learner}",
    ("course", "batch", "learner"),
    ("ZOHOPEOPLE.training.DELETE", "ZOHOPEOPLE.training.ALL"),
)
"""Documented by Zoho People, LMS, as "Remove learner from batch"."""

OPERATIONS = {operation.name: operation for operation in (REMOVE_LEARNER,)}


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "([0-9]{1,19})", path), re.ASCII)
