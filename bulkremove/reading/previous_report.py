"""Recognize a report of an earlier job that is given as input: strip its columns, and do not resend settled rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bulkremove.domain.row import Exclusion, Status
from bulkremove.domain.table import REPORT_COLUMNS

_ADDED_APOSTROPHE = re.compile(r"'(?=[=+\-@\x00-\x1f\ufffd])")
_NEEDED = ("status", "detail", "finished_at", "job")
_SETTLED = (Status.REMOVED, Status.REMOVED_INFERRED, Status.NOT_FOUND, Status.REFUSED, Status.DONE_BEFORE)


def is_report(header: Sequence[str]) -> bool:
    """Whether the last columns are all columns of a report, in order; some of them alone are ordinary columns."""
    return tuple(header[-len(REPORT_COLUMNS) :]) == REPORT_COLUMNS


def settled(columns: Sequence[Sequence[str]]) -> Mapping[int, Exclusion]:
    """Return the exclusions of rows (by index) that an earlier job settled. ``columns``: those of REPORT_COLUMNS."""
    statuses, details, finished, jobs = (columns[REPORT_COLUMNS.index(name)] for name in _NEEDED)
    exclusions = {}
    for index, status in enumerate(statuses):
        if status in _SETTLED:
            detail = (
                details[index] if status == Status.DONE_BEFORE else f"Job {jobs[index]} at {finished[index]}: {status}."
            )
            exclusions[index] = Exclusion(Status.DONE_BEFORE, detail)
        elif status == Status.UNKNOWN:
            exclusions[index] = Exclusion(
                Status.DONE_BEFORE,
                f"Unknown in job {jobs[index]}: look this learner up in Zoho People, then run "
                f"`bulkremove retry {jobs[index]} --unknown-checked`.",
            )
    return exclusions


def strip_apostrophes(cells: Sequence[str]) -> list[str]:
    """Remove the leading apostrophes that the report added against formulas (docs/decisions/0003-report-cells.md)."""
    return [_ADDED_APOSTROPHE.sub("", cell, count=1) if cell.startswith("'") else cell for cell in cells]
