"""Read workbooks: choose the one sheet with data, and return its cells with their types.

.xlsx and .xls are opened with pandas, but python-calamine's typed cells are used: read as text, numbers of 18 digits
would change without a warning (measured: …479103 and …479115 both become …479104).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.plural import pluralize
from bulkremove.domain.table import NOTE_SHEETS, Choices, SheetChoice, column_letter
from bulkremove.reading import archive, damaged_ids, ods, xls, xlsx
from bulkremove.reading.grid import (
    MAX_CELL_LENGTH,
    MAX_CELLS,
    MAX_ROWS,
    CellError,
    Formula,
    Grid,
    PartlyRaised,
    mark_array_formulas,
)
from bulkremove.reading.options import Hidden, ReadOptions
from bulkremove.reading.sheet_facts import SheetFacts

MAX_SHOWN_CELLS, MAX_SHOWN_CHARACTERS = 4, 40
"""Of a sheet's first row, where one of several sheets must be chosen."""


def read_zip(raw: bytes, name: str, options: ReadOptions) -> Grid:
    """Read the chosen sheet of an .xlsx or .ods file. Raises FileRefused."""
    parts = archive.inflate_members(raw, name)
    if "content.xml" in parts:
        sheets = ods.read_ods(parts, name)
        return _choose([(visible, grid.sheet or "", grid) for visible, grid in sheets], name, options)
    if not any(path.lower() == "xl/workbook.xml" for path in parts):
        raise FileRefused(f"{name} is an archive, but not a workbook.", hint="Give a CSV, .xlsx, .xls or .ods file.")
    return _read(raw, "xlsx", xlsx.facts(parts, name), name, options)


def read_ole(raw: bytes, name: str, options: ReadOptions) -> Grid:
    """Read the chosen sheet of an .xls file. Raises FileRefused."""
    return _read(raw, "xls", xls.facts(raw, name), name, options)


def _read(raw: bytes, kind: str, sheets: Sequence[SheetFacts], name: str, options: ReadOptions) -> Grid:
    import pandas as pd
    from python_calamine import CalamineError

    try:
        with _stderr_discarded(), pd.ExcelFile(io.BytesIO(raw), engine="calamine") as book:
            grids = []
            for scan in sheets:
                if options.sheet is not None and scan.name != options.sheet:
                    continue
                grids.append((scan.visible, scan.name, _grid(book.book, kind, scan, name)))
    except (CalamineError, ValueError, KeyError):
        raise FileRefused(f"{name} is damaged.", hint="Export it again.") from None
    except BaseException as error:
        # A panic in python-calamine's Rust code is not a subclass of Exception, and its class can't be imported.
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise FileRefused(f"{name} is damaged.", hint="Export it again.") from None
    return _choose(grids, name, options)


@contextmanager
def _stderr_discarded() -> Iterator[None]:
    """Discard standard error of the whole process: python-calamine's Rust code prints its panics to it directly."""
    try:
        stderr = os.dup(2)
    except OSError:  # the process has no standard error
        yield
        return
    try:
        with Path(os.devnull).open("wb") as null:
            os.dup2(null.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _grid(book: object, kind: str, scan: SheetFacts, name: str) -> Grid:
    sheet = book.get_sheet_by_name(scan.name)  # type: ignore[attr-defined] # pandas types its book as object
    if sheet.total_height > MAX_ROWS + 1:
        raise FileRefused(f"{name}, sheet {scan.name!r} has more than {MAX_ROWS:,} rows.", hint="Split it.")
    rows = sheet.to_python(skip_empty_area=False)
    _check_rows(rows, scan, name)
    width, height = len(rows[0]) if rows else 0, len(rows)
    columns: list[list[object]] = [[row[i] for row in rows] for i in range(width)]
    # Formulas and errors of forms that python-calamine does not read may stand outside of what it returns.
    columns += [[""] * height for _ in range(scan.width - width)]
    if len(scan.filled) > height:
        columns = [column + [""] * (len(scan.filled) - height) for column in columns]
    _mark_computed(columns, scan, name)
    return Grid(
        kind,
        range(1, len(columns[0]) + 1 if columns else 1),
        columns,
        scan.name,
        frozenset(scan.hidden_rows),
        tuple(scan.merged),
        scan.totals,
        hidden_columns=frozenset(scan.hidden_columns),
    )


def _check_rows(rows: Sequence[Sequence[object]], scan: SheetFacts, name: str) -> None:
    """Refuse the sheet unless the rows that were read have values exactly where the scan found some."""
    blank = [""] * len(rows[0]) if rows else []
    read = bytearray(max(len(rows), len(scan.filled)))
    for index, row in enumerate(rows):
        if row != blank:
            read[index] = 1
    scanned = scan.filled + bytes(len(read) - len(scan.filled))
    for number, _ in chain(scan.formulas, scan.errors):
        if number <= len(read) and scanned[number - 1]:
            read[number - 1] = 1
    if read == scanned:
        return
    for index, (is_read, is_scanned) in enumerate(zip(read, scanned, strict=True)):
        if is_scanned != is_read and (is_scanned or any(str(cell).strip() for cell in rows[index])):
            raise FileRefused(
                f"{name}, sheet {scan.name!r}: {sum(scanned):,} rows have values but {sum(read):,} were read; they "
                f"differ first in row {index + 1}, so a row might get lost.",
                hint="Open the file in Excel, save it as .xlsx under a new name, and compare the rows.",
            )


def _mark_computed(columns: list[list[object]], scan: SheetFacts, name: str) -> None:
    """Mark the cells that hold formulas, results of array formulas, raised digits, and errors, in place."""
    height = len(columns[0]) if columns else 0
    for row, column in scan.raised:
        columns[column][row - 1] = PartlyRaised(columns[column][row - 1])
    for (row, column), text in scan.errors.items():
        if column < len(columns) and row <= height:
            columns[column][row - 1] = CellError(text)
    for row, column in scan.formulas:
        if column < len(columns) and row <= height:  # others have no value
            columns[column][row - 1] = Formula(columns[column][row - 1])
    if not mark_array_formulas(columns, range(1, height + 1), scan.computed):
        raise FileRefused(
            f"{name}, sheet {scan.name!r}: its array formulas fill more than {MAX_CELLS:,} cells.",
            hint="Copy the rows into a new workbook as values.",
        )


def _choose(sheets: Sequence[tuple[bool, str, Grid]], name: str, options: ReadOptions) -> Grid:
    """Return the only sheet with data, or the one named in the options. Raises FileRefused if the user must decide."""
    filled = [
        (visible, title, grid)
        for visible, title, grid in sheets
        if any(map(any, grid.columns)) and not (len(sheets) > 1 and _is_note(title, grid))
    ]
    if options.sheet is not None:
        filled = [sheet for sheet in filled if sheet[1] == options.sheet]
        if not filled:
            raise FileRefused(f"{name} has no sheet {options.sheet!r} with data.", hint=f"It has: {_titles(sheets)}.")
    if not filled:
        raise FileRefused(f"{name} is empty.")
    hidden = [title for visible, title, _ in filled if not visible]
    if hidden and options.hidden is Hidden.REFUSE:
        raise FileRefused(
            f"{name} has {pluralize(len(hidden), 'hidden sheet')} with data ({', '.join(hidden)}) and "
            f"{len(filled) - len(hidden)} that can be seen.",
            hint="Decide with --visible-only or --include-hidden.",
            choices=Choices(hidden=True),
        )
    if options.hidden is Hidden.LEAVE_OUT:
        filled = [sheet for sheet in filled if sheet[0]]
    if len(filled) != 1:
        raise FileRefused(
            f"{name} has {len(filled)} sheets with data: {_titles(filled)}.",
            hint="Name one with --sheet.",
            choices=Choices(sheets=tuple(_as_choice(title, grid) for _, title, grid in filled)),
        )
    grid = filled[0][2]
    _check_lengths(grid, name)
    return grid


def _as_choice(title: str, grid: Grid) -> SheetChoice:
    filled = [
        row for row in zip(*grid.columns, strict=True) if any(damaged_ids.cell_text(cell).strip() for cell in row)
    ]
    first = (damaged_ids.cell_text(cell).strip()[:MAX_SHOWN_CHARACTERS] for cell in filled[0])
    return SheetChoice(title, len(filled), tuple(filter(None, first))[:MAX_SHOWN_CELLS])


def _is_note(title: str, grid: Grid) -> bool:
    """Whether a sheet is the one without rows of a workbook of this program, which has them on another sheet."""
    return title in NOTE_SHEETS and str(grid.columns[0][0]).startswith(NOTE_SHEETS[title])


def _check_lengths(grid: Grid, name: str) -> None:
    for index, column in enumerate(grid.columns):
        if damaged_ids.are_all_text(column) and max(map(len, column), default=0) <= MAX_CELL_LENGTH:  # type: ignore[arg-type] # texts
            continue
        for number, cell in zip(grid.numbers, column, strict=True):
            if isinstance(cell, str) and len(cell) > MAX_CELL_LENGTH:
                raise FileRefused(
                    f"{name}, cell {column_letter(index)}{number} has more than {MAX_CELL_LENGTH:,} characters.",
                    hint="Shorten it.",
                )


def _titles(sheets: Sequence[tuple[bool, str, Grid]]) -> str:
    return ", ".join(title for _, title, _ in sheets)
