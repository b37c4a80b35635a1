"""A file of the enrolments of people who have left: what `preview` and `run` read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from bulkremove.domain.leavers_list import COLUMNS
from bulkremove.domain.row import Roles
from bulkremove.domain.table import SANDBOX_COLUMN, SANDBOX_MARK
from bulkremove.report.formats import FORMATS
from bulkremove.report.plan_file import write_new
from bulkremove.report.roster_file import check_path


def write_leavers(path: Path, rows: Sequence[tuple[str, ...]], *, sandbox: bool) -> None:
    """Write a row for each enrolment, with the cells of ``COLUMNS``; never over a file. Raises ReportFailed."""
    check_path(path)
    header, marked = _marked(rows, sandbox=sandbox)
    write_new(path, lambda file: FORMATS[path.suffix.lower()](file, header, Roles(0, 1, 2), marked))


def leavers_csv(rows: Sequence[tuple[str, ...]], *, sandbox: bool) -> bytes:
    """The same as the bytes of a CSV."""
    header, marked = _marked(rows, sandbox=sandbox)
    file = io.BytesIO()
    FORMATS[".csv"](file, header, Roles(0, 1, 2), marked)
    return file.getvalue()


def _marked(rows: Sequence[tuple[str, ...]], *, sandbox: bool) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    marks = (SANDBOX_MARK,) * sandbox
    return (*COLUMNS, *[SANDBOX_COLUMN] * sandbox), [(*cells, *marks) for cells in rows]
