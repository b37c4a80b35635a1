"""Operations: the documented calls to Zoho People. A plan names one that removes or enrols; the others only read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from bulkremove.domain.row import Status


@dataclass(frozen=True, slots=True)
class Words:
    """How texts speak of what an operation does to a learner: ``The plan removes 3 learners from 2 batches``."""

    act: str
    does: str
    done: str
    noun: str
    preposition: str
    proven: str
    """What a person sees in Zoho People afterwards."""
    untouched: str
    """What is so before anybody agrees to a plan."""

    @property
    def nouns(self) -> str:
        """The noun's plural."""
        return f"{self.noun}s"


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
    id_list: str = ""
    """The query parameter with the id of the last role, which is not in the path, as the one item of a JSON list."""

    def call(self, ids: Sequence[str]) -> Call:
        """The call for the ids of all roles, which must be digits."""
        if not self.id_list:
            return Call(self, tuple(ids))
        *in_path, listed = ids
        return Call(self, tuple(in_path), ((self.id_list, f"[{listed}]"),))

    def path_of(self, ids: Iterable[str]) -> str:
        """Return the path of the call for its ids, which must be digits."""
        return self.path.format(**dict(zip(_names(self.path), ids, strict=True)))

    def ids_of(self, method: str, path: str) -> tuple[str, ...] | None:
        """Return the ids if method and path are exactly those of this operation; None otherwise."""
        match = _pattern(self.path).fullmatch(path)
        return match.groups() if match is not None and method == self.method else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOperation(Operation):
    """An operation that a plan can name, with a call for each row."""

    success: Status
    """The status of a row whose call Zoho confirmed."""
    words: Words
    id_column: str
    """The column of a plan's file with the id of the last role."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation: the ids in its path, in their order, and its query parameters."""

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


REMOVE_LEARNER = PlannedOperation(
    "remove learner from batch",
    "DELETE",
    "/api/v1/courses/{course}/batches/{batch}/learners/{learner}",
    ("course", "batch", "learner"),
    ("ZOHOPEOPLE.training.DELETE", "ZOHOPEOPLE.training.ALL"),
    success=Status.REMOVED,
    words=Words("remove", "removes", "removed", "removal", "from", "gone from the batch", "nothing has been removed"),
    id_column="learner_id",
)
"""Documented by Zoho People, LMS, as "Remove learner from batch"."""

ENROLL_LEARNER = PlannedOperation(
    "enrol learner in batch",
    "POST",
    "/api/v1/courses/{course}/batches/{batch}/enroll",
    ("course", "batch", "record number"),
    ("ZOHOPEOPLE.training.CREATE", "ZOHOPEOPLE.training.ALL"),
    ("erecnosList",),
    "erecnosList",
    success=Status.ENROLLED,
    words=Words("enrol", "enrols", "enrolled", "enrolment", "in", "in the batch", "nobody has been enrolled"),
    id_column="record_number",
)
"""Documented as "Enroll learner to batch", with a list of employee record numbers; its answer and the longest list are
not, so each call names one person. It puts people back whom a removal took out (docs/decisions/0023-reenrolment.md)."""

OPERATIONS = {operation.name: operation for operation in (REMOVE_LEARNER, ENROLL_LEARNER)}
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
LIST_ENROLMENTS = Operation(
    "list courses of learner",
    "GET",
    "/api/v1/learners/{learner}/course-progress",
    ("learner",),
    READ_SCOPES,
    ("startIndex",),
)
"""Documented as "Single learner, all courses"; its answer is observed. Which id it takes is not known: the record
number of the employee was seen to work, and is sent where ``doctor --read`` has seen that it does."""
LIST_EMPLOYEES = Operation(
    "list employees",
    "GET",
    "/people/api/forms/employee/getRecords",
    (),
    ("ZOHOPEOPLE.forms.READ", "ZOHOPEOPLE.forms.ALL"),
    ("sIndex", "limit"),
)
"""Documented as "Get bulk records", with a limit of its own (``ledger.EMPLOYEE_CALLS``); its fields are observed."""

COUNT_EMPLOYEES = Operation(
    "count employees", "GET", "/people/api/forms/employee/getRecordCount", (), LIST_EMPLOYEES.scopes
)
"""Documented by its path; its answer is not, so where it can't be read nothing is proven by it, and nothing fails."""
FORM_READS = (LIST_EMPLOYEES, COUNT_EMPLOYEES)
"""The reads of the employee form, which has a limit of its own."""

READS = (LIST_COURSES, LIST_BATCHES, GET_BATCH, LIST_PROGRESS, LIST_ENROLMENTS, *FORM_READS)
"""The operations that change nothing. Each is a GET."""


@cache
def _names(path: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\{(\w+)\}", path))


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "([0-9]{1,19})", path), re.ASCII)
