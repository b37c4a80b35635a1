"""A report of ours that comes back as an input: its own columns are taken off, and settled rows are not sent again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bulkremove.domain.row import Exclusion, Status
from bulkremove.domain.table import REPORT_COLUMNS

_NEUTRALISED = re.compile(r"'(?=[=+\-@\x00-\x1f\ufffd])")
_DONE = (Status.REMOVED, Status.REMOVED_INFERRED, Status.NOT_FOUND, Status.REFUSED, Status.DONE_BEFORE)


def is_report(header: Sequence[str]) -> bool:
    """Whether a file's last columns are a report's. Some of them alone, or elsewhere, are columns like any other."""
    return tuple(header[-len(REPORT_COLUMNS) :]) == REPORT_COLUMNS


def settled(columns: Sequence[Sequence[str]]) -> Mapping[int, Exclusion]:
    """Which rows (by index) an earlier job settled. ``columns`` are the report's own ones, in their order."""
    statuses, details, finished, jobs = (columns[REPORT_COLUMNS.index(name)] for name in _NEEDED)
    found = {}
    for index, status in enumerate(statuses):
        if status in _DONE:
            words = (
                details[index] if status == Status.DONE_BEFORE else f"Job {jobs[index]} at {finished[index]}: {status}."
            )
            found[index] = Exclusion(Status.DONE_BEFORE, words)
        elif status == Status.UNKNOWN:
            found[index] = Exclusion(
                Status.DONE_BEFORE,
                f"Unknown in job {jobs[index]}: look this learner up in Zoho People, then run "
                f"`bulkremove retry {jobs[index]} --unknown-checked`.",
            )
    return found


def as_it_was(cells: Sequence[str]) -> list[str]:
    """The cells without the apostrophes that the report led them with."""
    return [_NEUTRALISED.sub("", cell, count=1) if cell.startswith("'") else cell for cell in cells]


_NEEDED = ("status", "detail", "finished_at", "job")
