"""Recognize files that this program wrote and that are given as input: reports, undo lists and plan files.

A report's own columns are stripped, and the rows that its job settled are not sent again. A report that was changed so
that not all of its columns are known any more is refused: read as an ordinary list, it would remove people again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.row import Exclusion, Status
from bulkremove.domain.table import PLAN_COLUMNS, REPORT_COLUMNS, UNDO_COLUMN

_ADDED_APOSTROPHE = re.compile(r"'(?=[=+\-@\x00-\x1f\ufffd])")
_TELLING = frozenset(REPORT_COLUMNS) - {"row", "status", "detail", "job", "attempts"}
"""Columns of a report that hardly another list has."""
_NEEDED = ("status", "detail", "finished_at", "job")
_STATUSES = frozenset(status.value for status in Status)
_SETTLED = (Status.REMOVED, Status.REMOVED_INFERRED, Status.NOT_FOUND, Status.REFUSED, Status.DONE_BEFORE)


def report_columns(header: Sequence[str], name: str) -> tuple[int, ...] | None:
    """Return where the columns of a report stand, in the order of REPORT_COLUMNS; None if the file is no report.

    Raises FileRefused for a report that was changed, an undo list or a plan file.
    """
    names = [heading.strip().casefold() for heading in header]
    if any(re.sub(r"\s", "_", name).startswith(UNDO_COLUMN) for name in names):
        raise FileRefused(
            f"{name} is an undo list: it names people who were removed and are to be enrolled again.",
            hint="Nothing was sent. It is not a list of people to remove.",
        )
    if set(PLAN_COLUMNS) <= set(names):
        raise FileRefused(
            f"{name} is a plan file: it shows what would be done with each row of another file.",
            hint="Nothing was sent. Give the file that it was made from.",
        )
    if tuple(names[-len(REPORT_COLUMNS) :]) == REPORT_COLUMNS:  # the file itself may have columns of these names too
        return tuple(range(len(names) - len(REPORT_COLUMNS), len(names)))
    if len(_TELLING.intersection(names)) < 2:
        return None
    places = tuple(names.index(column) for column in REPORT_COLUMNS if names.count(column) == 1)
    if len(places) < len(REPORT_COLUMNS):
        doubtful = ", ".join(column for column in REPORT_COLUMNS if names.count(column) != 1)
        raise FileRefused(
            f"{name} looks like a report of an earlier job, but these of its columns are missing, renamed or doubled: "
            f"{doubtful}. Its rows may have been removed already.",
            hint="Nothing was sent. Give the report as it was written, or the original file.",
        )
    return places


def settled(columns: Sequence[Sequence[str]], numbers: Sequence[int], name: str) -> Mapping[int, Exclusion]:
    """Return the exclusions of rows (by index) that an earlier job settled. ``columns``: those of REPORT_COLUMNS.

    Raises FileRefused for a status that no report has: somebody changed it, and the row may have been removed already.
    """
    statuses, details, finished, jobs = (columns[REPORT_COLUMNS.index(name)] for name in _NEEDED)
    exclusions = {}
    for index, text in enumerate(statuses):
        status = text.strip().casefold()
        if status not in _STATUSES:
            raise FileRefused(
                f"{name}, row {numbers[index]}: {text!r} is no status of a report, so it was changed.",
                hint="Nothing was sent. Give the report as it was written, or the original file.",
            )
        if status in _SETTLED:
            detail = (
                details[index] if status == Status.DONE_BEFORE else f"Job {jobs[index]} at {finished[index]}: {status}."
            )
            exclusions[index] = Exclusion(Status.DONE_BEFORE, detail)
        elif status == Status.DUPLICATE:  # another row, or another job, has the say
            exclusions[index] = Exclusion(Status.DUPLICATE, details[index])
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
