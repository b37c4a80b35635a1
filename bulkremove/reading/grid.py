"""The cells of a sheet with the types that the file gives them, before anything is interpreted; and size limits."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_ROWS = 1_000_000
MAX_COLUMNS = 1_000
MAX_CELLS = 8_000_000
"""Cells of a workbook: more than a list of learners has, fewer than a zip bomb inflates to."""
MAX_CELL_LENGTH = 1_000
"""Characters."""
MAX_FILE_BYTES = 100 * 1024 * 1024
"""Bytes of a file, and of all that inflates from it."""


class Formula(NamedTuple):
    """A computed cell, with the value of its last calculation."""

    value: object


class PartlyRaised(NamedTuple):
    """A text of which a part is raised or lowered, as a footnote mark is: its digits may not all be the id's."""

    value: object


class CellError(NamedTuple):
    """A cell that shows an error value, such as ``#N/A``."""

    text: str


class CellRange(NamedTuple):
    """Cells from ``top`` to ``bottom`` (row numbers from 1) and ``left`` to ``right`` (columns from 0), inclusive."""

    top: int
    bottom: int
    left: int
    right: int

    def holds(self, row: int, column: int) -> bool:
        """Whether the cell is in the range."""
        return self.top <= row <= self.bottom and self.left <= column <= self.right


@dataclass(slots=True)
class Grid:
    """Columns of cells; ``numbers[i]`` is the spreadsheet's number of row ``i``.

    A text cell is a str; other cells keep their type: float, bool, date and time types, ``Formula``,
    ``PartlyRaised``, ``CellError``.
    """

    kind: str
    numbers: Sequence[int]
    columns: list[list[object]]
    sheet: str | None = None
    hidden_rows: frozenset[int] = frozenset()
    """Spreadsheet numbers of rows that are hidden, filtered out, struck through, or carry a comment."""
    merged: tuple[str, ...] = ()
    """Ranges of merged cells."""
    totals: tuple[CellRange, ...] = ()
    """Totals rows of Excel tables."""
    notes: list[str] = field(default_factory=list)
    short_rows: Mapping[int, int] = field(default_factory=dict)
    """By number, how many fields those rows have that have fewer than the others; their last cells are blank."""
    hidden_columns: frozenset[int] = frozenset()
    """Columns (from 0) that are hidden."""


def mark_array_formulas(columns: Sequence[list[object]], numbers: Sequence[int], results: Iterable[CellRange]) -> bool:
    """Mark the results of array formulas as formulas, in place; False when they fill more than MAX_CELLS.

    ``numbers``: as in ``Grid``; ``results``: the range that each formula fills.
    """
    marked = 0
    for top, bottom, left, right in results:
        rows = range(bisect_left(numbers, top), bisect_right(numbers, bottom))
        marked += len(rows) * max(0, min(right + 1, len(columns)) - left)
        if marked > MAX_CELLS:
            return False
        for cells in columns[left : right + 1]:
            for index in rows:
                if cells[index] != "" and not isinstance(cells[index], Formula):
                    cells[index] = Formula(cells[index])
    return True


def column_index(name: str) -> int:
    """Convert a column letter to its index: 0 for ``A``, 26 for ``AA``."""
    number = 0
    for letter in name.upper():
        number = number * 26 + ord(letter) - 64
    return number - 1


def filled(cell: object) -> bool:
    """Whether a cell holds something to be seen."""
    return bool(cell.strip()) if isinstance(cell, str) else cell is not None
