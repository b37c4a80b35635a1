"""Rows: a line of a file, the removal that it asks for, and its status."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The outcome of a row in a word. The values are those of the report's ``status`` column."""

    REMOVED = "removed"
    REMOVED_INFERRED = "removed_inferred"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    NOT_SENT = "not_sent"
    DONE_BEFORE = "done_before"
    """An earlier job whose report is the input, or another job meanwhile, settled this row; nothing was sent."""
    NOT_ENROLLED = "not_enrolled"
    """A complete roster of the batch does not hold this learner, so the call was saved (OUTCOMES, version 2)."""
    IDENTITY_MISMATCH = "identity_mismatch"
    """File and Zoho give this learner different e-mail addresses, and nobody decided to send it all the same."""
    ENROLLED = "enrolled"
    """Zoho confirmed the enrolment of a person who is put back."""
    ALREADY_ENROLLED = "already_enrolled"
    """Zoho's list of the batch holds the person who was to be put back, so nothing was sent."""


UNPLANNED = (
    Status.DUPLICATE,
    Status.INVALID,
    Status.IDENTITY_MISMATCH,
    Status.NOT_ENROLLED,
    Status.DONE_BEFORE,
    Status.ALREADY_ENROLLED,
    Status.NOT_SENT,
)
"""The statuses that a plan gives to rows that are not sent."""


class RowState(StrEnum):
    """The state of a row that is not settled yet; it is stored in the journal and is in no finished report."""

    PENDING = "pending"
    """No attempt so far can have had an effect."""
    SENDING = "sending"
    """An attempt may have had an effect, and nothing has settled it yet."""


UNSETTLED = "Not known whether this worked: an attempt got no answer. Look the learner up in Zoho People."
"""The detail of a row whose last attempt had no response when its job ended for good."""


@dataclass(frozen=True, slots=True)
class Removal:
    """The removal of one learner from one batch, or an enrolment: three ids as text, never as numbers.

    Two rows with equal ids are duplicates. ``learner``: of an enrolment, the employee's record number.
    """

    course: str
    batch: str
    learner: str

    @property
    def ids(self) -> tuple[str, str, str]:
        """The three ids, in the order of the roles of an operation that a plan names."""
        return self.course, self.batch, self.learner


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: its number as the spreadsheet shows it, and its cells as text, unchanged."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Roles:
    """Which columns (0-based) hold the three ids."""

    course: int
    batch: int
    learner: int

    def __iter__(self) -> Iterator[int]:
        return iter((self.course, self.batch, self.learner))


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Why a row of the file is not sent, as a status and a sentence.

    ``not_sent`` means a protected learner, ``duplicate`` an earlier row or a row that another job may still send.
    """

    status: Status
    detail: str
