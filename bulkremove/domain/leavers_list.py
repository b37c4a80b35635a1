"""The columns of a list of leavers, which this program writes itself, and what follows from them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bulkremove.domain.table import Table

RECORD_COLUMN = "Record number"
"""The column with the number of the employee's record, by which a later nightly run knows who has come back."""
COLUMNS = (
    *("Course ID", "Batch ID", "Learner ID", "Name", "E-mail", "Employee ID"),
    *(RECORD_COLUMN, "Course", "Batch", "Note"),
)
OF_ZOHO = COLUMNS[3:-1]
"""Those that hold what Zoho says of the employee and the course, and nothing that a person has decided."""
_NOTE = COLUMNS.index("Note")


def is_leavers_list(header: Sequence[str]) -> bool:
    """Whether a file with these headings is a list of leavers; a person may have added columns to it."""
    return tuple(header[: len(COLUMNS)]) == COLUMNS


def says_why_unknown(table: Table, index: int) -> bool:
    """Whether a row has no learner id and the list itself says why: nothing is damaged there."""
    learner = table.columns[table.roles.learner][index]
    return is_leavers_list(table.header) and not learner.strip() and bool(table.columns[_NOTE][index].strip())
