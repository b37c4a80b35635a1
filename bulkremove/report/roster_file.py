"""A file of the learners of batches, with their ids: what `preview` and `run` read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bulkremove.domain.errors import ReportFailed
from bulkremove.domain.listing import Roster
from bulkremove.domain.row import Roles
from bulkremove.domain.table import ROSTER_COLUMN, SANDBOX_COLUMN, SANDBOX_MARK
from bulkremove.report.formats import FORMATS
from bulkremove.report.plan_file import write_new

COLUMNS = ("Course ID", "Batch ID", "Learner ID", ROSTER_COLUMN, "Name", "E-mail", "Employee ID", "Progress", "Batch")


def check_path(path: Path) -> None:
    """Check that a roster may be written there, before any call is made for it. Raises ReportFailed."""
    if path.suffix.lower() not in (".csv", ".xlsx"):
        raise ReportFailed(f"This list can't be written as {path.name}.", hint="Its name must end in .csv or .xlsx.")
    if path.exists():
        raise ReportFailed(f"{path} exists already and is not overwritten.", hint="Name another file.")


def write_rosters(path: Path, rosters: Sequence[Roster], *, sandbox: bool) -> None:
    """Write the learners of batches, in order; never over a file. ``sandbox``: mark each row. Raises ReportFailed."""
    check_path(path)
    header, marks = (*COLUMNS, *[SANDBOX_COLUMN] * sandbox), [SANDBOX_MARK] * sandbox
    rows = ((*cells, *marks) for cells in _rows(rosters))
    write_new(path, lambda file: FORMATS[path.suffix.lower()](file, header, Roles(0, 1, 2), rows))


def _rows(rosters: Sequence[Roster]) -> Iterator[tuple[str, ...]]:
    for roster in rosters:
        batch = roster.batch
        for one in roster.learners:
            yield batch.course, batch.id, one.id, "", one.name, one.email, one.employee_id, one.progress, batch.name
