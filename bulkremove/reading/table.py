"""From a grid of cells to a table: its heading, the columns with the ids, the rows that count, and what to notice."""

from __future__ import annotations

import random

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.ids import OUTER
from bulkremove.domain.row import Roles
from bulkremove.domain.table import REPORT_COLUMNS, Choices, Table
from bulkremove.reading import columns, damaged_ids, previous_report
from bulkremove.reading.grid import Grid
from bulkremove.reading.options import Hidden, ReadOptions

FIRST_ROWS = 5
"""Rows that are shown beside the headings when a person must choose the columns."""


def table_of(grid: Grid, name: str, options: ReadOptions) -> Table:
    """The table in a grid. Raises FileRefused."""
    top = next((i for i in range(len(grid.numbers)) if any(_filled(column[i]) for column in grid.columns)), None)
    if top is None:
        raise FileRefused(f"{name} is empty.")
    _trim_width(grid, top, name)
    header = tuple(damaged_ids.shown(column[top]).strip() for column in grid.columns)
    first = range(top + 1, min(top + 1 + FIRST_ROWS, len(grid.numbers)))
    rows = [[damaged_ids.shown(column[i]) for column in grid.columns] for i in first]
    roles = columns.roles(header, options.columns, name, rows)
    hidden = _hidden(grid, top, name, options)
    plain = [damaged_ids.undamaged(grid, column, top + 1, name, header[column]) for column in roles]
    empty = set() if any(plain) else _empty_rows(grid, roles, top + 1)
    left_out = {i for i in range(top + 1, len(grid.numbers)) if grid.numbers[i] in hidden} - empty if hidden else set()
    cells = _kept(grid, top + 1, empty | left_out)
    numbers = grid.numbers[top + 1 :]
    if empty or left_out:
        numbers = [number for i, number in enumerate(numbers, start=top + 1) if i not in empty and i not in left_out]
    notes = [*grid.notes, *_notes(cells, roles, header, plain)]
    settled = {}
    if previous_report.is_report(header):
        own = len(header) - len(REPORT_COLUMNS)
        settled = dict(previous_report.settled(cells[own:]))
        cells, header = [previous_report.as_it_was(column) for column in cells[:own]], header[:own]
        notes.append(f"This is a report of an earlier job; {len(settled):,} rows were settled then and are not sent.")
    return Table(
        name,
        grid.kind,
        header,
        roles,
        numbers,
        tuple(cells),
        grid.sheet,
        tuple(notes),
        len(empty),
        len(left_out),
        settled,
    )


def _filled(cell: object) -> bool:
    return bool(cell.strip()) if isinstance(cell, str) else cell is not None


def _trim_width(grid: Grid, top: int, name: str) -> None:
    """Empty columns at the right end are a sheet's habit; a column with data but no heading there is refused."""
    while grid.columns and not _filled(grid.columns[-1][top]):
        column = grid.columns[-1]
        stray = next((i for i in range(top + 1, len(column)) if column[i] != "" and _filled(column[i])), None)
        if stray is not None:
            raise FileRefused(
                f"{name}, row {grid.numbers[stray]}: it has more fields than the header.",
                hint="Give every column a heading, or mend the row.",
            )
        grid.columns.pop()


def _hidden(grid: Grid, top: int, name: str, options: ReadOptions) -> frozenset[int]:
    """The numbers of the rows to leave out. Raises FileRefused until somebody decided."""
    within = [number for number in grid.numbers[top:] if number in grid.hidden_rows] if grid.hidden_rows else []
    seen = len(grid.numbers) - top - 1 - len(within)
    if options.hidden is Hidden.REFUSE and (within or grid.merged):
        what = f"{len(within):,} hidden or filtered rows and {seen:,} that can be seen"
        if grid.merged:
            what += f", and {len(grid.merged):,} merged ranges ({', '.join(grid.merged[:5])})"
        raise FileRefused(
            f"{name} has {what}.",
            hint="Decide with --visible-only or --include-hidden.",
            choices=Choices(hidden=True),
        )
    if options.hidden is Hidden.LEAVE_OUT:
        return grid.hidden_rows
    if within:
        grid.notes.append(f"{len(within):,} hidden or filtered rows are included, beside {seen:,} that can be seen.")
    return frozenset()


def _empty_rows(grid: Grid, roles: Roles, start: int) -> set[int]:
    """Indexes of rows with nothing in any cell."""
    learners = grid.columns[roles.learner]
    doubtful = [i for i in range(start, len(learners)) if not str(learners[i]).strip()]
    return {i for i in doubtful if not any(_filled(column[i]) for column in grid.columns)}


def _kept(grid: Grid, start: int, without: set[int]) -> list[list[str]]:
    kept = []
    for column in grid.columns:
        cells = column[start:]
        if not damaged_ids.texts(cells):
            cells = [damaged_ids.shown(cell) for cell in cells]
        if without:
            cells = [cell for i, cell in enumerate(cells, start=start) if i not in without]
        kept.append(cells)
    return kept  # type: ignore[return-value] # every cell is a text by now


def _rounded(ids: list[str]) -> bool:
    """Whether nearly all long ids end in 000; asked of a sample first, since it looks at every cell."""
    long = [cell for cell in ids if len(cell) >= 16]
    return len(long) >= 5 and sum(cell.endswith("000") for cell in long) >= 0.9 * len(long)


def _sample(ids: list[str]) -> list[str]:
    """A thousand of them, the same ones each time; with a fixed step, ids that count up would all end alike."""
    generator = random.Random(len(ids))  # noqa: S311 - nothing secret is drawn
    return generator.sample(ids, min(1000, len(ids)))


def _notes(cells: list[list[str]], roles: Roles, header: tuple[str, ...], plain: list[bool]) -> list[str]:
    notes = []
    for column, digits_only in zip(roles, plain, strict=True):
        ids = cells[column]
        trimmed = 0 if digits_only else sum(cell != cell.strip(OUTER) for cell in ids)
        if trimmed:
            notes.append(f"Column {header[column]!r}: outer blanks of {trimmed:,} cells are left away.")
        if _rounded(_sample(ids)) and _rounded(ids):
            notes.append(
                f"Column {header[column]!r}: nearly all ids end in 000, as ids do that a spreadsheet has rounded. "
                "Compare some of them with Zoho before you go on."
            )
    return notes
