"""Tables: a file as it was read, and what a person must decide about one that can be read in more than one way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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
"""What a report adds behind the file's own columns, in this order."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person can decide about a file that leaves a choice: its sheets, or its columns."""

    sheets: tuple[str, ...] = ()
    """Names of the sheets with data, when one must be chosen."""
    header: tuple[str, ...] = ()
    """Headings of all columns, when the ids' columns must be chosen."""
    rows: tuple[tuple[str, ...], ...] = ()
    """The first rows below the headings, as seen."""
    guesses: Mapping[str, int] = field(default_factory=dict)
    """Role (course, batch, learner) -> the one column (from 0) whose heading says so."""
    hidden: bool = False
    """Whether hidden rows, hidden sheets or merged cells must be decided on."""


@dataclass(frozen=True, slots=True)
class Table:
    """A file that was read to its end and found undamaged, column by column.

    ``columns[c][i]`` is the text of column ``c`` in data row ``i``, unchanged; ``numbers[i]`` is that row's
    number as the spreadsheet shows it. Columns rather than rows, because a million rows of small objects
    do not fit into the memory that a preview may take.
    """

    source: str
    """The file's name as shown to people."""
    kind: str
    """``csv``, ``tsv``, ``xlsx``, ``xls`` or ``ods``, told by content."""
    header: tuple[str, ...]
    roles: Roles
    numbers: Sequence[int]
    columns: tuple[Sequence[str], ...]
    sheet: str | None = None
    notes: tuple[str, ...] = ()
    """What the preview must say about the reading, in sentences."""
    empty_rows: int = 0
    hidden_rows: int = 0
    """Hidden or filtered rows that were left out at the person's wish."""
    settled: Mapping[int, Exclusion] = field(default_factory=dict)
    """Rows (by index) that a report of ours, given back as the input, tells as settled before."""

    def __len__(self) -> int:
        return len(self.numbers)

    def row(self, index: int) -> Row:
        return Row(self.numbers[index], tuple(column[index] for column in self.columns))

    def rows(self) -> Iterator[Row]:
        for number, *cells in zip(self.numbers, *self.columns, strict=True):
            yield Row(number, tuple(cells))


def column_letter(column: int) -> str:
    """A spreadsheet's name of a column (0-based): ``A`` for 0, ``AA`` for 26."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name
