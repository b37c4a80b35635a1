"""The cells of a report, and how a cell is made safe for a spreadsheet.

A cell that a spreadsheet could run as a formula is prefixed with an apostrophe. An id is written as it is in the
input, so that programs can join both (docs/decisions/0016-csv-for-programs.md). The same input gives the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum

from bulkremove.domain.attempt import LookupResult, Outcome
from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import Job
from bulkremove.domain.listing import Learner
from bulkremove.domain.row import Status
from bulkremove.domain.table import REPORT_COLUMNS, SANDBOX_COLUMN, SANDBOX_MARK

_ID = re.compile(r"[ \xa0]*[0-9]+[ \xa0]*", re.ASCII)
_FORMULA_START = re.compile(r"[=+\-@\x00-\x1f\x7f-\x9f\uff1d\uff0b\uff0d\uff20]")
"""First characters that make some spreadsheet run the cell (OWASP, "CSV injection"), full-width forms included."""
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML or UTF-8 can't hold, or that control a terminal."""


def columns(job: Job) -> tuple[str, ...]:
    """The header of the report: the input's own columns, the mark of a sandbox run, then REPORT_COLUMNS."""
    return (*job.header, *mark(job, SANDBOX_COLUMN), *REPORT_COLUMNS)


def mark(job: Job, text: str = SANDBOX_MARK) -> tuple[str, ...]:
    """The text as a cell that a file of a sandbox run has in addition; none for a file of a real run."""
    return (text,) if job.is_sandbox else ()


def cells(job: Job, outcome: Outcome) -> tuple[str, ...]:
    """One row of the report, not yet safe for a spreadsheet. Times are UTC (ISO 8601); unknown values are empty."""
    return (
        *outcome.cells,
        *mark(job),
        str(outcome.number),
        outcome.status.value,
        " ".join(
            [outcome.detail, *(f"{note.author} noted on {utc(note.at)}: {note.full_text}" for note in outcome.notes)]
        ),
        "" if outcome.http_status is None else str(outcome.http_status),
        outcome.api_code or "",
        str(outcome.attempts),
        utc(outcome.first_sent_at),
        utc(outcome.finished_at),
        job.id,
        job.plan_hash,
    )


class RowSelection(StrEnum):
    """Which rows of a job a file holds."""

    ALL = "all"
    RETRY = "retry"
    """Rows that were not sent since the job ended first; ``Reports`` leaves out those that were not sent on purpose.
    ``unknown`` rows are not among them: a person must look them up first, and ``retry --unknown-checked`` sends them
    then."""
    UNDO = "undo"
    """Rows that this job removed and no later one put back, for a person who must enroll the learners again."""


_STATUSES = {
    RowSelection.ALL: frozenset(Status),
    RowSelection.RETRY: frozenset({Status.NOT_SENT}),
    RowSelection.UNDO: frozenset({Status.REMOVED, Status.REMOVED_INFERRED}),
}


def select(outcomes: Iterable[Outcome], rows: RowSelection) -> list[Outcome]:
    """The selected rows, whose cells are those of the input file.

    Whom a person found gone was removed, too. Whom a later job put back, or whose data were erased, is on no list of
    people to enrol again.
    """
    return [
        outcome
        for outcome in outcomes
        if not (rows is RowSelection.UNDO and (outcome.undone or not any(outcome.cells)))
        and (
            outcome.status in _STATUSES[rows]
            or (
                rows is RowSelection.UNDO
                and outcome.status is Status.UNKNOWN
                and outcome.last_seen is LookupResult.GONE
            )
        )
    ]


def person_cells(person: Learner | None) -> tuple[str, ...]:
    """The cells of PERSON_COLUMNS; empty where it is not known who the learner was."""
    one = person or Learner("")
    return one.name, one.email, one.employee_id, one.record_number, one.progress


def utc(at: Epoch | None) -> str:
    """Format a time as ISO 8601 with milliseconds and Z; empty for None."""
    if at is None:
        return ""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def replace_unwritable(text: str) -> str:
    """Replace each character that a file or a terminal can't hold with U+FFFD."""
    return _UNWRITABLE.sub("\ufffd", text)


def escape_formula(text: str) -> str:
    """Make the text a cell that no spreadsheet runs as a formula."""
    safe = replace_unwritable(text)
    return f"'{safe}" if _FORMULA_START.match(text) else safe


def id_cell(text: str) -> str:
    """The id as it is, but for tabs around it, which earlier reports have; any other text is made harmless."""
    return text.strip("\t") if _ID.fullmatch(text.strip("\t")) else escape_formula(text)
