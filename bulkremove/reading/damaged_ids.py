"""Ids that a spreadsheet has changed: the file is refused as a whole, since the lost digits can't be told.

Zoho's ids have 18 digits and a spreadsheet number keeps 15 (…479103 becomes …479000). Damage is never repaired.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.ids import OUTER, all_digits
from bulkremove.domain.table import column_letter
from bulkremove.reading.grid import Formula, Grid

EXACT = 10**15
"""Numbers from here on may have lost digits."""
NAMED = 10
"""Damaged cells that are named one by one."""

_DAMAGED_TEXT = re.compile(
    r"[+-]?\d+(?:[.,]\d*)?[eE][+-]?\d+|[+-]?\d+[.,]\d*|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T].*)?|true|false|=.*|"
    r"#(?:ref!|n/a|value!|name\?|div/0!|num!|null!|spill!|calc!).*",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)


def undamaged(grid: Grid, column: int, start: int, name: str, heading: str) -> bool:
    """Turn an id column into texts, in place, or raise FileRefused naming the damaged cells.

    True when every cell is nothing but digits, as a column of ids should be.
    """
    cells = grid.columns[column]
    if _plain(cells[start:]):
        return True
    found = []
    for index, seen, why in _damage(cells, start):
        found.append(f"{column_letter(column)}{grid.numbers[index]} shows {seen} ({why})")
    if found:
        sheet = f", sheet {grid.sheet!r}" if grid.sheet else ""
        more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
        raise FileRefused(
            f"{name}{sheet}, column {heading!r}: {len(found):,} cells hold ids that a spreadsheet has changed or "
            f"computed: {'; '.join(found[:NAMED])}{more}. Nothing was sent.",
            hint="Format the column as Text, fill in the ids again from Zoho, and export the file again.",
        )
    cells[start:] = [cell if isinstance(cell, str) else f"{cell:.0f}" for cell in cells[start:]]
    return False


def texts(cells: Sequence[object]) -> bool:
    """Whether all cells are texts; the quick look that a million rows need."""
    try:
        "".join(cells)  # type: ignore[arg-type] # it is asked for the very reason that they may be no texts
    except TypeError:
        return False
    return True


def _plain(cells: Sequence[object]) -> bool:
    """Whether all cells are texts of ASCII digits alone, none of them empty."""
    return texts(cells) and all_digits(cells)  # type: ignore[arg-type] # texts, as was just seen


def _damage(cells: Sequence[object], start: int) -> Iterator[tuple[int, str, str]]:
    for index in range(start, len(cells)):
        cell = cells[index]
        if isinstance(cell, str):
            if cell.isdigit():
                continue
            text = cell.strip(OUTER)
            if _DAMAGED_TEXT.fullmatch(text):
                yield index, repr(text), "no plain whole number"
        elif why := _why(cell):
            yield index, str(cell.value if isinstance(cell, Formula) else cell), why


def _why(cell: object) -> str | None:
    if isinstance(cell, Formula):
        return "a formula"
    if isinstance(cell, bool):
        return "true or false"
    if isinstance(cell, date | datetime | time | timedelta):
        return "a date or time"
    if isinstance(cell, int | float):
        if cell != cell or cell in (float("inf"), float("-inf")) or cell != int(cell):
            return "a number with decimals"
        if cell < 0:
            return "a negative number"
        if cell >= EXACT:
            return "a number of more than 15 digits"
        return None
    return "not a text"


def shown(cell: object) -> str:
    """A cell of another column as readable text."""
    if isinstance(cell, Formula):
        return shown(cell.value)
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float) and cell == cell and abs(cell) < EXACT and cell == int(cell):
        return str(int(cell))
    if isinstance(cell, date | datetime | time):
        return cell.isoformat(sep=" ") if isinstance(cell, datetime) else cell.isoformat()
    return str(cell)
