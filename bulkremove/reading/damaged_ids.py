"""Detect ids that a spreadsheet has changed; such a file is refused as a whole, since the digits are lost.

Zoho's ids have 18 digits and a spreadsheet number keeps 15 (…479103 becomes …479000). Damage is never repaired.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.ids import TRIMMED_CHARACTERS, all_digits
from bulkremove.domain.table import column_letter
from bulkremove.reading.grid import Formula, Grid

EXACT = 10**15
"""Numbers of this size or more may have lost digits."""
NAMED = 10
"""How many damaged cells the message lists."""

_DAMAGED_TEXT = re.compile(
    r"[+-]?\d+(?:[.,]\d*)?[eE][+-]?\d+|[+-]?\d+[.,]\d*|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T].*)?|true|false|=.*|"
    r"#(?:ref!|n/a|value!|name\?|div/0!|num!|null!|spill!|calc!).*",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)


def convert_id_column(grid: Grid, column: int, start: int, name: str, heading: str) -> bool:
    """Turn an id column into texts, in place; return whether every cell from row ``start`` is digits only.

    Raises FileRefused, listing the damaged cells.
    """
    cells = grid.columns[column]
    if _plain(cells[start:]):
        return True
    damaged = [
        f"{column_letter(column)}{grid.numbers[index]} shows {text} ({reason})"
        for index, text, reason in _damage(cells, start)
    ]
    if damaged:
        sheet = f", sheet {grid.sheet!r}" if grid.sheet else ""
        more = f" and {len(damaged) - NAMED:,} more" if len(damaged) > NAMED else ""
        raise FileRefused(
            f"{name}{sheet}, column {heading!r}: {len(damaged):,} cells hold ids that a spreadsheet has changed or "
            f"computed: {'; '.join(damaged[:NAMED])}{more}. Nothing was sent.",
            hint="Format the column as Text, fill in the ids again from Zoho, and export the file again.",
        )
    cells[start:] = [cell if isinstance(cell, str) else f"{cell:.0f}" for cell in cells[start:]]
    return False


def texts(cells: Sequence[object]) -> bool:
    """Whether all cells are texts; fast enough for a million rows."""
    try:
        "".join(cells)  # type: ignore[arg-type] # raises TypeError for a cell that is not a text
    except TypeError:
        return False
    return True


def _plain(cells: Sequence[object]) -> bool:
    """Whether all cells are texts of ASCII digits alone, none of them empty."""
    return texts(cells) and all_digits(cells)  # type: ignore[arg-type] # texts, as just checked


def _damage(cells: Sequence[object], start: int) -> Iterator[tuple[int, str, str]]:
    """Index, text and reason of each damaged cell."""
    for index in range(start, len(cells)):
        cell = cells[index]
        if isinstance(cell, str):
            if cell.isdigit():
                continue
            text = cell.strip(TRIMMED_CHARACTERS)
            if _DAMAGED_TEXT.fullmatch(text):
                yield index, repr(text), "no plain whole number"
        elif reason := _damage_reason(cell):
            yield index, str(cell.value if isinstance(cell, Formula) else cell), reason


def _damage_reason(cell: object) -> str | None:
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
    """Convert a cell to readable text; for ids use ``convert_id_column``, which checks them."""
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
