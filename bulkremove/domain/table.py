"""Tables: the content of a file, and the choices that a user must make about an ambiguous one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from bulkremove.domain.row import Exclusion, Roles, Row

REPORT_COLUMNS = (
    "row",
    "status",
    "detail",
    "http_status",
    "api_code",
    "attempts",
    "first_sent_at",
    "finished_at",
    "job",
    "plan_hash",
)
"""The columns that a report appends to those of the file, in this order."""
RESULT_COLUMNS = ("name in Zoho", "e-mail in Zoho", "result", "explanation", "settled at (local time)")
"""The columns for people that a workbook of a report has before those of the file."""
SUMMARY_SHEET, SUMMARY_TITLE = "Summary", "Summary of job "
"""The name of the second sheet of such a workbook, and how its first cell begins."""
IDS_SHEET = "Where to find the ids"
"""The name of the second sheet of the template, and its first cell."""
NOTE_SHEETS: Mapping[str, str] = MappingProxyType({SUMMARY_SHEET: SUMMARY_TITLE, IDS_SHEET: IDS_SHEET})
"""The sheets without rows that this program's workbooks have: how the first cell of each begins."""
PLAN_COLUMNS = ("row", "planned", "course_id", "batch_id", "learner_id", "detail")
"""The columns of a plan file."""
SANDBOX_COLUMN, SANDBOX_MARK = "sandbox", "SANDBOX"
"""The column, and the text in each row of it, that every file of a sandbox run has beside the file's own."""
UNDO_COLUMN = "undo_of"
"""The column that a list of removed people appends to those of the file: the job that removed them."""
PERSON_COLUMNS = ("zoho_name", "zoho_email", "zoho_employee_id", "zoho_record_number", "zoho_progress")
"""The columns that it has too where an enrolment check has told who they were."""

ROSTER_COLUMN = "Remove (x)"
"""The column of a roster in which a person marks who is to be removed; a new roster marks nobody."""


class SheetChoice(NamedTuple):
    """A sheet that may be chosen."""

    name: str
    rows: int
    """Its rows that are not blank, the headings among them."""
    first: tuple[str, ...]
    """The first cells that are not blank."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user must decide about an ambiguous file: its sheet, its headings, its id columns, or which rows."""

    sheets: tuple[SheetChoice, ...] = ()
    """The sheets with data, when one must be chosen."""
    header: tuple[str, ...] = ()
    """Headings of all columns, when the ids' columns must be chosen."""
    rows: tuple[tuple[str, ...], ...] = ()
    """The first rows below the headings, as displayed."""
    guesses: Mapping[str, int] = field(default_factory=dict)
    """Role (course, batch, learner) -> the only column (from 0) with a heading for it."""
    only: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
    """The columns that seem to say who stays: heading (or letter), and the values with how many rows have each."""
    header_row: int | None = None
    """The row that seems to hold the headings, below a title; 0: the file seems to have no headings."""
    hidden: bool = False
    """Whether hidden rows, hidden sheets or merged cells must be decided on."""


@dataclass(frozen=True, slots=True)
class Table:
    """A file that was read to its end and is not damaged, stored by column.

    ``columns[c][i]`` is the unchanged text of column ``c`` in row ``i``; of ``="478"`` in an id column, the digits.
    ``numbers[i]`` is the number of that row as the spreadsheet shows it. By column, because a million row objects would
    need too much memory.
    """

    source: str
    """The file's name as shown to people."""
    kind: str
    """``csv``, ``tsv``, ``xlsx``, ``xls`` or ``ods``, detected from the content; ``python`` for rows of a program."""
    header: tuple[str, ...]
    roles: Roles
    numbers: Sequence[int]
    columns: tuple[Sequence[str], ...]
    sheet: str | None = None
    reading_notes: tuple[str, ...] = ()
    """Sentences about the reading that the preview must show."""
    empty_rows: int = 0
    hidden_rows: int = 0
    """How many hidden, filtered, struck-through or commented rows were left out, as the user chose."""
    unchosen_rows: int = 0
    """How many rows were left out, since the user chose others by a column such as Action or Status."""
    settled: Mapping[int, Exclusion] = field(default_factory=dict)
    """Rows (by index) that are not planned: settled by an earlier job whose report is the input, without a match, or
    excluded by the enrolment check."""
    report_rows: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    """Of which job's row (its id and the row's number) the report tells in a row (by index), if the input is one."""
    included: Mapping[int, Exclusion] = field(default_factory=dict)
    """Rows (by index) that a person decided to send although the enrolment check excludes them; the plan's hash is of
    this decision, too."""

    def __len__(self) -> int:
        return len(self.numbers)

    def row(self, index: int) -> Row:
        """Return the data row at this index (from 0)."""
        return Row(self.numbers[index], tuple(column[index] for column in self.columns))

    def rows(self) -> Iterator[Row]:
        """Iterate over the data rows, in file order."""
        for number, *cells in zip(self.numbers, *self.columns, strict=True):
            yield Row(number, tuple(cells))


def column_letter(column: int) -> str:
    """Return a spreadsheet's name of a column (0-based): ``A`` for 0, ``AA`` for 26."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name
