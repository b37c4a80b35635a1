"""Choosing the one sheet that is meant, and what is hidden in it; then its values with their types.

pandas opens .xlsx and .xls and hands out python-calamine's raw cells: read as text, numbers of 18 digits would come
out changed, and nobody would see it (measured: …479103 and …479115 both become …479104).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import Choices, column_letter
from bulkremove.reading import archive, damaged_ids, ods, xls, xlsx
from bulkremove.reading.grid import MAX_CELL_LENGTH, MAX_ROWS, Formula, Grid
from bulkremove.reading.options import Hidden, ReadOptions


def read_zip(raw: bytes, name: str, options: ReadOptions) -> Grid:
    """The meant sheet of an .xlsx or .ods. Raises FileRefused."""
    parts = archive.members(raw, name)
    if "content.xml" in parts:
        found = ods.read_ods(parts, name)
        return _choose([(visible, grid.sheet or "", grid) for visible, grid in found], name, options)
    if not any(path.lower() == "xl/workbook.xml" for path in parts):
        raise FileRefused(f"{name} is an archive, but no workbook.", hint="Give a CSV, .xlsx, .xls or .ods file.")
    return _read(raw, "xlsx", xlsx.facts(parts, name), name, options)


def read_ole(raw: bytes, name: str, options: ReadOptions) -> Grid:
    """The meant sheet of an .xls. Raises FileRefused."""
    return _read(raw, "xls", xls.facts(raw, name), name, options)


def _read(raw: bytes, kind: str, sheets: Sequence[xlsx.SheetFacts], name: str, options: ReadOptions) -> Grid:
    import pandas as pd
    from python_calamine import CalamineError

    try:
        with _panics_unprinted(), pd.ExcelFile(io.BytesIO(raw), engine="calamine") as book:
            grids = []
            for facts in sheets:
                if options.sheet is not None and facts.name != options.sheet:
                    continue
                grids.append((facts.visible, facts.name, _grid(book.book, kind, facts, name)))
    except (CalamineError, ValueError, KeyError) as error:
        raise FileRefused(f"{name} is damaged ({type(error).__name__}).", hint="Export it again.") from None
    except BaseException as error:
        # A panic of python-calamine's Rust: no Exception, and its class can't be imported.
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise FileRefused(f"{name} is damaged.", hint="Export it again.") from None
    return _choose(grids, name, options)


@contextmanager
def _panics_unprinted() -> Iterator[None]:
    """python-calamine's Rust writes where it panicked to standard error, past Python, before the error can be caught
    and told in our words. The whole process has no standard error meanwhile.
    """
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _grid(book: object, kind: str, facts: xlsx.SheetFacts, name: str) -> Grid:
    sheet = book.get_sheet_by_name(facts.name)  # type: ignore[attr-defined] # pandas types its book as object
    if sheet.total_height > MAX_ROWS + 1:
        raise FileRefused(f"{name}, sheet {facts.name!r} has more than {MAX_ROWS:,} rows.", hint="Split it.")
    rows = sheet.to_python(skip_empty_area=False)
    columns: list[list[object]] = [[row[i] for row in rows] for i in range(len(rows[0]) if rows else 0)]
    for row, column in facts.formulas:
        if column < len(columns) and row <= len(rows):
            columns[column][row - 1] = Formula(columns[column][row - 1])
    return Grid(kind, range(1, len(rows) + 1), columns, facts.name, facts.hidden_rows, facts.merged)


def _choose(sheets: Sequence[tuple[bool, str, Grid]], name: str, options: ReadOptions) -> Grid:
    """The one sheet with data. Hidden ones count only when they were asked for."""
    filled = [(visible, title, grid) for visible, title, grid in sheets if any(map(any, grid.columns))]
    if options.sheet is not None:
        filled = [one for one in filled if one[1] == options.sheet]
        if not filled:
            raise FileRefused(f"{name} has no sheet {options.sheet!r} with data.", hint=f"It has: {_titles(sheets)}.")
    if not filled:
        raise FileRefused(f"{name} is empty.")
    hidden = [title for visible, title, _ in filled if not visible]
    if hidden and options.hidden is Hidden.REFUSE:
        raise FileRefused(
            f"{name} has {len(hidden)} hidden sheets with data ({', '.join(hidden)}) and {len(filled) - len(hidden)} "
            "that can be seen.",
            hint="Decide with --visible-only or --include-hidden.",
            choices=Choices(hidden=True),
        )
    if options.hidden is Hidden.LEAVE_OUT:
        filled = [one for one in filled if one[0]]
    if len(filled) != 1:
        raise FileRefused(
            f"{name} has {len(filled)} sheets with data: {', '.join(one[1] for one in filled)}.",
            hint="Name one with --sheet.",
            choices=Choices(sheets=tuple(one[1] for one in filled)),
        )
    grid = filled[0][2]
    _check_lengths(grid, name)
    return grid


def _check_lengths(grid: Grid, name: str) -> None:
    for index, column in enumerate(grid.columns):
        if damaged_ids.texts(column) and max(map(len, column), default=0) <= MAX_CELL_LENGTH:  # type: ignore[arg-type] # texts
            continue
        for number, cell in zip(grid.numbers, column, strict=True):
            if isinstance(cell, str) and len(cell) > MAX_CELL_LENGTH:
                raise FileRefused(
                    f"{name}, cell {column_letter(index)}{number} has more than {MAX_CELL_LENGTH:,} characters.",
                    hint="Mend it.",
                )


def _titles(sheets: Sequence[tuple[bool, str, Grid]]) -> str:
    return ", ".join(title for _, title, _ in sheets)
