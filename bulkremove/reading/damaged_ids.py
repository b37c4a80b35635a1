"""Detect ids that a spreadsheet has changed; such a file is refused as a whole, since the digits are lost.

Zoho's ids have 18 digits and a spreadsheet number keeps 15 (…479103 becomes …479000). Damage is never repaired.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.ids import TRIMMED_CHARACTERS, all_digits
from bulkremove.domain.table import column_letter
from bulkremove.reading.grid import CellError, Formula, Grid, PartlyRaised
from bulkremove.reading.options import ROLES

FIRST_INEXACT = 10**15
"""A spreadsheet number of this size or more may have lost digits."""
MAX_LISTED = 10
"""How many damaged cells the message lists at most."""

_DAMAGED_TEXT = re.compile(
    r"[+-]?\d+(?:[.,]\d*)?[eE][+-]?\d+|[+-]?\d+[.,]\d*|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T].*)?|true|false|=.*|"
    r"#(?:ref!|n/a|value!|name\?|div/0!|num!|null!|spill!|calc!).*",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
_TEXT_FORMULA = re.compile(r'="([0-9]+)"')
"""The usual way to make a spreadsheet keep an id of a CSV as text; no digit can have been lost in it.

The digits replace the cell's text, in the report too: the digits are what is sent, and the report would put an
apostrophe before a text that begins with =, so that it could not be used as input again
(docs/decisions/0003-report-cells.md).
"""


_AS_VALUES = "Copy the column, paste it as values (Paste Special, Values), and save the file again."
_REENTER_ERRORS = "Re-enter the ids from Zoho in the cells that show an error."
_DELETE_TOTALS = "Delete the totals row, and save the file again."
_DELETE_MARKS = (
    "Delete the superscript or subscript characters if they are footnote marks, and compare these ids with Zoho."
)
_ERROR = "an error value"
_FORMULA = "a formula"
_SUPERSCRIPT = "part of it is superscript or subscript"
_TOTALS = "in the totals row"


class _Damage(NamedTuple):
    """One damaged cell. ``row`` and ``column`` are its indexes in the grid, from 0."""

    row: int
    column: int
    cell: object
    text: str
    reason: str


def convert_id_columns(grid: Grid, columns: Sequence[int], start: int, name: str, header: Sequence[str]) -> list[bool]:
    """Turn id columns into texts, in place; return for each whether every cell from row ``start`` is digits only.

    Raises FileRefused, listing the damaged cells of all these columns. Adds a note for cells such as ``="478"``.
    """
    totals = [damage for column in columns for damage in _declared_totals(grid, column, start)]
    is_plain = [_convert_to_digits(grid, column, start, header[column]) for column in columns]
    if not totals and all(is_plain):
        return is_plain
    damaged = totals or sorted(
        (
            damage
            for column, plain in zip(columns, is_plain, strict=True)
            if not plain
            for damage in _damaged(grid.columns[column], column, start)
        ),
        key=lambda damage: damage[:2],
    )
    if damaged:
        raise _refused(grid, damaged, start, name, header)
    for column, plain in zip(columns, is_plain, strict=True):
        if not plain:
            cells = grid.columns[column]
            cells[start:] = [cell if isinstance(cell, str) else f"{cell:.0f}" for cell in cells[start:]]
    return is_plain


def refuse_uncomputed(grid: Grid, id_columns: Sequence[int], start: int, name: str, header: Sequence[str]) -> None:
    """Raise FileRefused for a column of formulas without any result, since its values are not known.

    Programs that write workbooks don't compute formulas; a spreadsheet does when it opens the file.
    """
    for column, cells in enumerate(grid.columns):
        if column in id_columns or are_all_text(cells[start:]):
            continue
        formulas = [index for index in range(start, len(cells)) if isinstance(cells[index], Formula)]
        if formulas and not any(cell_text(cell).strip() for cell in cells[start:]):
            raise FileRefused(
                f"{name}: column {header[column]!r} holds formulas without results, such as in cell "
                f"{column_letter(column)}{grid.numbers[formulas[0]]}, so its values are not known.",
                hint="Open the file in a spreadsheet and save it, or delete this column.",
            )


def _convert_to_digits(grid: Grid, column: int, start: int, heading: str) -> bool:
    """Replace texts such as ``="478"`` in an id column by their digits; return whether every cell is digits only."""
    cells = grid.columns[column]
    if _plain(cells[start:]):
        return True
    if unwrapped := _unwrap(cells, start):
        written, are = ("cell written as", "is") if unwrapped == 1 else ("cells written as", "are")
        grid.notes.append(f'Column {heading!r}: {unwrapped:,} {written} ="digits" {are} read as the digits.')
        return _plain(cells[start:])
    return False


def _refused(grid: Grid, damaged: Sequence[_Damage], start: int, name: str, header: Sequence[str]) -> FileRefused:
    named = damaged[:MAX_LISTED]
    places = [f"{column_letter(d.column)}{grid.numbers[d.row]} shows {d.text} ({d.reason})" for d in named]
    headings = [repr(header[column]) for column in sorted({d.column for d in damaged})]
    more = f" and {len(damaged) - MAX_LISTED:,} more" if len(damaged) > MAX_LISTED else ""
    return FileRefused(
        f"{name}{f', sheet {grid.sheet!r}' if grid.sheet else ''}, {'columns' if len(headings) > 1 else 'column'} "
        f"{', '.join(headings)}: {len(damaged):,} {'cells hold ids' if len(damaged) > 1 else 'cell holds an id'} that "
        f"a spreadsheet has changed or computed: {'; '.join(places)}{more}. Nothing was sent.",
        hint=_hint(grid, damaged, start),
    )


def _declared_totals(grid: Grid, column: int, start: int) -> list[_Damage]:
    """The cells of the column that belong to the totals row of an Excel table, and are not empty."""
    damaged = []
    for totals in grid.totals:
        for number in range(max(totals.top, grid.numbers[0]), min(totals.bottom, grid.numbers[-1]) + 1):
            index = bisect_left(grid.numbers, number)
            cell = grid.columns[column][index]
            if totals.holds(number, column) and index >= start and grid.numbers[index] == number and cell != "":
                damaged.append(_Damage(index, column, cell, _text(cell), _TOTALS))
    return damaged


def _looks_like_totals(grid: Grid, damaged: Sequence[_Damage], start: int) -> bool:
    """Whether the only damage is a last row of formulas below ids, in which no cell is an id.

    A row with formulas in all three columns may be a person whose ids no program has computed yet.
    """
    row = damaged[0].row
    if (
        row == start
        or len(damaged) == len(ROLES)
        or any(d.row != row or not isinstance(d.cell, Formula) for d in damaged)
    ):
        return False
    is_below_ids = all(_is_digits(grid.columns[d.column][row - 1]) for d in damaged)
    is_last = all(cell == "" for column in grid.columns for cell in column[row + 1 :])
    return is_below_ids and is_last and not any(_is_digits(column[row]) for column in grid.columns)


def _hint(grid: Grid, damaged: Sequence[_Damage], start: int) -> str:
    if damaged[0].reason == _TOTALS or _looks_like_totals(grid, damaged, start):
        return _DELETE_TOTALS
    if all(d.reason == _SUPERSCRIPT for d in damaged):
        return _DELETE_MARKS
    as_values = [isinstance(d.cell, Formula) and _is_digits(d.cell.value) for d in damaged]
    if all(as_values):
        return _AS_VALUES
    if all(is_text or d.reason == _ERROR for is_text, d in zip(as_values, damaged, strict=True)):
        return f"{_AS_VALUES if any(as_values) else ''} {_REENTER_ERRORS}".strip()
    return "Format the column as Text, re-enter the ids from Zoho, and export the file again."


def _is_digits(cell: object) -> bool:
    return isinstance(cell, str) and cell.strip(TRIMMED_CHARACTERS).isdigit()


def _text(cell: object) -> str:
    """A cell's text as the message shows it."""
    value = cell.value if isinstance(cell, Formula | PartlyRaised) else cell
    return (value.text if isinstance(value, CellError) else str(value)) or "nothing"


def are_all_text(cells: Sequence[object]) -> bool:
    """Whether all cells are texts; fast enough for a million rows."""
    try:
        "".join(cells)  # type: ignore[arg-type] # raises TypeError for a cell that is not a text
    except TypeError:
        return False
    return True


def _plain(cells: Sequence[object]) -> bool:
    """Whether all cells are non-empty texts of ASCII digits only."""
    return are_all_text(cells) and all_digits(cells)  # type: ignore[arg-type] # texts, as just checked


def _unwrap(cells: list[object], start: int) -> int:
    """Replace texts such as ``="478"`` by their digits, from row ``start`` on and in place; return how many."""
    part = cells[start:]
    with suppress(TypeError):  # as in ``are_all_text``; fast enough for a million rows
        if '="' not in "".join(part):  # type: ignore[arg-type] # raises TypeError for a cell that is not a text
            return 0
    count = 0
    for index, cell in enumerate(part, start):
        if isinstance(cell, str) and (match := _TEXT_FORMULA.fullmatch(cell)):
            cells[index] = match[1]
            count += 1
    return count


def _damaged(cells: Sequence[object], column: int, start: int) -> Iterator[_Damage]:
    """Find each damaged cell."""
    for index in range(start, len(cells)):
        cell = cells[index]
        if isinstance(cell, str):
            if cell.isdigit():
                continue
            text = cell.strip(TRIMMED_CHARACTERS)
            if _DAMAGED_TEXT.fullmatch(text):
                yield _Damage(index, column, cell, repr(text), "not a plain whole number")
        elif reason := _damage_reason(cell):
            yield _Damage(index, column, cell, _text(cell), reason)


def _damage_reason(cell: object) -> str | None:
    if isinstance(cell, CellError) or (isinstance(cell, Formula) and isinstance(cell.value, CellError)):
        return _ERROR
    if isinstance(cell, Formula):
        return _FORMULA
    if isinstance(cell, PartlyRaised):
        return _SUPERSCRIPT
    if isinstance(cell, bool):
        return "true or false"
    if isinstance(cell, date | datetime | time | timedelta):
        return "a date or time"
    if isinstance(cell, int | float):
        if cell != cell or cell in (float("inf"), float("-inf")) or cell != int(cell):
            return "a number with decimals"
        if cell < 0:
            return "a negative number"
        if cell >= FIRST_INEXACT:
            return "a number of more than 15 digits"
        return None
    return "not a text"


def cell_text(cell: object) -> str:
    """Convert a cell to readable text; for ids use ``convert_id_columns``, which checks them."""
    if isinstance(cell, Formula | PartlyRaised):
        return cell_text(cell.value)
    if isinstance(cell, CellError):
        return cell.text
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float) and cell == cell and abs(cell) < FIRST_INEXACT and cell == int(cell):
        return str(int(cell))
    if isinstance(cell, date | datetime | time):
        return cell.isoformat(sep=" ") if isinstance(cell, datetime) else cell.isoformat()
    return str(cell)
