"""A sheet's cells as they stand in the file, before anybody asks what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_ROWS = 1_000_000
MAX_COLUMNS = 1_000
MAX_CELLS = 8_000_000
"""Of a workbook. A list of people has fewer, and a bomb that is small on disk has more."""
MAX_CELL_LENGTH = 1_000
"""Characters."""
MAX_FILE_BYTES = 100 * 1024 * 1024
"""Bytes of a file, and of all that inflates from it."""


class Formula(NamedTuple):
    """A cell that is computed: its last value."""

    value: object


@dataclass(slots=True)
class Grid:
    """Columns of cells; ``numbers[i]`` is the spreadsheet's number of row ``i``. A text cell is a str.

    Other cells keep their type: float, bool, date and time types, ``Formula``.
    """

    kind: str
    numbers: Sequence[int]
    columns: list[list[object]]
    sheet: str | None = None
    hidden_rows: frozenset[int] = frozenset()
    """Numbers of rows that are hidden or filtered away."""
    merged: tuple[str, ...] = ()
    """Ranges of merged cells."""
    notes: list[str] = field(default_factory=list)


def column_of(name: str) -> int:
    """0 for ``A``, 26 for ``AA``."""
    number = 0
    for one in name.upper():
        number = number * 26 + ord(one) - 64
    return number - 1
