"""Operations: the documented calls to Zoho People. One removes a learner, and a plan names it; the others only read."""

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
    parameters: tuple[str, ...] = ()
    """Names of the query parameters that the call may have."""

    def path_of(self, ids: Iterable[str]) -> str:
        """Return the path of the call for these ids, which must be digits."""
        return self.path.format(**dict(zip(self.roles, ids, strict=True)))

    def ids_of(self, method: str, path: str) -> tuple[str, ...] | None:
        """Return the ids if method and path are exactly those of this operation; None otherwise."""
        match = _pattern(self.path).fullmatch(path)
        return match.groups() if match is not None and method == self.method else None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation: the ids of its roles, in their order, and its query parameters."""

    operation: Operation
    ids: tuple[str, ...] = ()
    query: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        """The path without the query."""
        return self.operation.path_of(self.ids)

    def is_made_by(self, method: str, path: str, query: tuple[tuple[str, str], ...]) -> bool:
        """Whether a request with this method, path and decoded query is exactly this call."""
        has_known_query = {name for name, _ in query} <= {*self.operation.parameters}
        return self.operation.ids_of(method, path) == self.ids and query == self.query and has_known_query


REMOVE_LEARNER = Operation(
    "remove learner from batch",
    "DELETE",
    "/api/v1/courses/{course}/batches/{batch}/learners/{learner}",
    ("course", "batch", "learner"),
    ("ZOHOPEOPLE.training.DELETE", "ZOHOPEOPLE.training.ALL"),
)
"""Documented by Zoho People, LMS, as "Remove learner from batch"."""

OPERATIONS = {operation.name: operation for operation in (REMOVE_LEARNER,)}
"""The operations that a plan can name."""

READ_SCOPES = ("ZOHOPEOPLE.training.READ", "ZOHOPEOPLE.training.ALL")
LIST_COURSES = Operation("list courses", "GET", "/api/v1/courses", (), READ_SCOPES, ("startIndex", "search"))
"""Documented as "Get all courses"; its answer is not."""
LIST_BATCHES = Operation(
    "list batches of course", "GET", "/api/v1/courses/{course}/batches", ("course",), READ_SCOPES, ("startIndex",)
)
"""Documented as "Fetch course batches", with at most 25 batches an answer."""
GET_BATCH = Operation("get batch", "GET", "/api/v1/courses/{course}/batches/{batch}", ("course", "batch"), READ_SCOPES)
"""Documented as "Fetch batch", with its answer."""
LIST_PROGRESS = Operation(
    "list progress of learners of batch",
    "GET",
    "/api/v1/courses/{course}/batches/{batch}/course-progress",
    ("course", "batch"),
    READ_SCOPES,
    ("startIndex",),
)
"""Documented as "Single course, all learners", the only call that lists learners; its answer and scope are not."""

READS = (LIST_COURSES, LIST_BATCHES, GET_BATCH, LIST_PROGRESS)
"""The operations that change nothing. Each is a GET."""


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "([0-9]{1,19})", path), re.ASCII)
