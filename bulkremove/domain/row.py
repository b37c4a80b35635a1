"""Rows: one line of a file each, whom it names, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What became of a row. The words are the report's ``status`` column."""

    REMOVED = "removed"
    REMOVED_INFERRED = "removed_inferred"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    NOT_SENT = "not_sent"
    DONE_BEFORE = "done_before"
    """A report was given back as the input and says that this row was settled; nothing was sent."""


UNPLANNED = (Status.DUPLICATE, Status.INVALID, Status.DONE_BEFORE, Status.NOT_SENT)
"""What a row of a file can be before anything is sent, other than to be removed."""


class RowState(StrEnum):
    """The two states that only a running job's journal knows; neither stands in a finished report."""

    PENDING = "pending"
    """No attempt so far can have had an effect."""
    SENDING = "sending"
    """An attempt may have had an effect, and nothing has settled it yet."""


UNSETTLED = "Not known whether the learner was removed: an attempt got no answer. Look the learner up in Zoho People."
"""The detail of a row whose last attempt was unanswered when its job ended for good."""


@dataclass(frozen=True, slots=True)
class Removal:
    """One learner to be taken off one batch: three ids as text, never as numbers.

    Equality is identity: two rows with equal removals are duplicates.
    """

    course: str
    batch: str
    learner: str

    @property
    def ids(self) -> tuple[str, str, str]:
        """In the order of ``operation.REMOVE_LEARNER.roles``."""
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
    """Why a row of the file is not sent, in plain words: ``duplicate``, ``invalid``, ``done_before``, or
    ``not_sent`` for somebody who is on the list of those who are never removed."""

    status: Status
    detail: str
