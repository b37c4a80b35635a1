"""What the scanners of .xls and .xlsx files find in a sheet beside the values that python-calamine reads."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bulkremove.reading.grid import CellRange, column_index

_RANGE = re.compile(r"\$?([A-Z]{1,3})\$?([1-9][0-9]{0,6})(?::\$?([A-Z]{1,3})\$?([1-9][0-9]{0,6}))?")


@dataclass(slots=True)
class SheetFacts:
    """What a scan of one sheet found beside its values. A cell is (row number from 1, column from 0)."""

    name: str
    visible: bool
    hidden_rows: set[int] = field(default_factory=set)
    """Hidden rows, and rows with a value that is struck through or with a comment: they may say that somebody stays."""
    merged: list[str] = field(default_factory=list)
    formulas: set[tuple[int, int]] = field(default_factory=set)
    """Cells with a formula."""
    computed: list[CellRange] = field(default_factory=list)
    """Ranges that one formula fills with its results."""
    errors: dict[tuple[int, int], str] = field(default_factory=dict)
    """Cells with an error value, such as ``#N/A``; python-calamine reads them as empty."""
    raised: set[tuple[int, int]] = field(default_factory=set)
    """Cells with a text of which a part is raised or lowered."""
    totals: tuple[CellRange, ...] = ()
    """Totals rows of Excel tables."""
    hidden_columns: set[int] = field(default_factory=set)
    filled: bytearray = field(default_factory=bytearray)
    """One byte a row, up to the last row with a value: 1 when the row has one. A formula without a result counts."""
    width: int = 0
    """Columns up to the last one with a value."""

    def fill(self, row: int, column: int) -> None:
        """Note that the cell has a value."""
        missing = row - len(self.filled)
        if missing > 0:
            self.filled += bytes(missing)
        self.filled[row - 1] = 1
        if column >= self.width:
            self.width = column + 1


def parse_range(text: str) -> CellRange:
    """Parse a range such as ``A1:B9`` or ``A1``. Raises ValueError."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    left, top = column_index(match[1]), int(match[2])
    right, bottom = (column_index(match[3]), int(match[4])) if match[3] else (left, top)
    if right < left or bottom < top:
        raise ValueError(text)
    return CellRange(top, bottom, left, right)
