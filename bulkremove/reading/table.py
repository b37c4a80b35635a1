"""Turn a grid of cells into a table: heading, id columns, rows without empty or hidden ones, notes for the preview."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.ids import TRIMMED_CHARACTERS
from bulkremove.domain.plural import pluralize
from bulkremove.domain.row import Exclusion, Roles
from bulkremove.domain.table import Choices, Table
from bulkremove.reading import columns, damaged_ids, groups, heading_row, previous_report, row_choice
from bulkremove.reading.grid import Grid, filled
from bulkremove.reading.options import ALL_BATCHES, Hidden, ReadOptions
from bulkremove.reading.short_rows import refuse_short_rows
from bulkremove.reading.struck_text import struck_rows

_BATCH_HEADING = "Batch"
_HIDDEN_ROW = "hidden, filtered, struck-through or commented row"
WITHOUT_BATCH = "The file has no column for the batch, so each learner is looked for in all batches of their course."
FIRST_ROWS = 5
"""Rows that are shown with the headings when the user must choose the columns."""


def build_table(grid: Grid, name: str, options: ReadOptions) -> Table:
    """Build the table from a grid. Raises FileRefused when it is empty, damaged or needs a decision by the user."""
    top, header = heading_row.locate_header(grid, name, options)
    if options.header_row != heading_row.NO_HEADINGS:
        _trim_width(grid, top, name)
        header = header[: len(grid.columns)]
    own_columns = previous_report.report_columns(header, name)
    if options.match and "batch" not in options.columns and not columns.by_name(header, "batch", options.match):
        header = (*header, _BATCH_HEADING)
        is_empty = [not any(filled(column[i]) for column in grid.columns) for i in range(len(grid.numbers))]
        grid.columns.append(["" if one else ALL_BATCHES for one in is_empty])
        grid.columns[-1][top] = _BATCH_HEADING
        grid.notes.append(WITHOUT_BATCH)
    first_rows = range(top + 1, min(top + 1 + FIRST_ROWS, len(grid.numbers)))
    rows = [[damaged_ids.cell_text(column[i]) for column in grid.columns] for i in first_rows]
    roles = columns.find_roles(header, options.columns, name, rows, options.match)
    if own_columns is not None and set(own_columns).intersection(roles):
        raise FileRefused(f"{name}: a column of the report can't hold ids.", hint="Check the columns.")
    _check_hidden_columns(grid, roles, header, name, options)
    grid.hidden_rows |= {grid.numbers[index] for index in struck_rows(grid.columns, top + 1)}
    hidden = _hidden(grid, top, name, options)
    damaged_ids.refuse_uncomputed(grid, tuple(roles), top + 1, name, header)
    digits_only = damaged_ids.convert_id_columns(grid, list(roles), top + 1, name, header)
    empty = set() if any(digits_only) else _empty_rows(grid, roles, top + 1)
    left_out = {i for i in range(top + 1, len(grid.numbers)) if grid.numbers[i] in hidden} - empty if hidden else set()
    cells = _text_columns(grid, top + 1, empty | left_out)
    numbers = grid.numbers[top + 1 :]
    if empty or left_out:
        numbers = [number for i, number in enumerate(numbers, start=top + 1) if i not in empty and i not in left_out]
    if not all(digits_only):
        columns.check_headings_inside(cells, roles, header, numbers, name)
        groups.refuse_groups(cells, roles, numbers, header, name)
        groups.refuse_sections(cells, roles, numbers, name)
    refuse_short_rows(grid.short_rows, tuple(roles), cells, numbers, name)
    if own_columns is None:
        has_headings = options.header_row != heading_row.NO_HEADINGS
        previous_report.check_cells(header, cells, roles, name, has_headings=has_headings)
    notes = [*grid.notes, *_notes(cells, roles, header, digits_only)]
    mark = previous_report.sandbox_column(header, cells, own_columns, name, is_allowed=options.sandbox)
    settled: Mapping[int, Exclusion] = {}
    report_rows: Mapping[int, tuple[str, int]] = {}
    if own_columns is not None:
        report = [cells[column] for column in own_columns]
        settled = previous_report.settled(report, numbers, name)
        report_rows = previous_report.job_rows(report)
        cells = [previous_report.strip_apostrophes(column) for column in cells]
    if own_columns is not None or mark is not None:
        ours = {*own_columns, *previous_report.result_columns(header)} if own_columns is not None else set()
        kept = [column for column in range(len(header)) if column not in (*ours, mark)]
        cells, header = [cells[column] for column in kept], tuple(header[column] for column in kept)
        roles = Roles(*map(kept.index, roles))
    unchosen, more_notes = row_choice.rows_left_out(header, cells, roles, numbers, options.only, name, options.today)
    notes += more_notes
    if unchosen:
        kept = [index for index in range(len(numbers)) if index not in unchosen]
        cells, numbers = [[column[index] for index in kept] for column in cells], [numbers[index] for index in kept]
        settled = {place: settled[index] for place, index in enumerate(kept) if index in settled}
        report_rows = {place: report_rows[index] for place, index in enumerate(kept) if index in report_rows}
    if own_columns is not None:
        settled_rows = pluralize(len(settled), "row was", "rows were")
        notes.append(f"This is a report of an earlier job; {settled_rows} settled then and not to be sent again.")
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
        len(unchosen),
        settled,
        report_rows,
    )


def _trim_width(grid: Grid, top: int, name: str) -> None:
    """Drop empty columns at the right end, in place; refuse a column there that has data but no heading."""
    while grid.columns and not filled(grid.columns[-1][top]):
        column = grid.columns[-1]
        stray = next((i for i in range(top + 1, len(column)) if column[i] != "" and filled(column[i])), None)
        if stray is not None:
            raise FileRefused(
                f"{name}, row {grid.numbers[stray]}: it has more fields than the header.",
                hint="Give every column a heading, or correct the row.",
            )
        grid.columns.pop()


def _check_hidden_columns(grid: Grid, roles: Roles, header: Sequence[str], name: str, options: ReadOptions) -> None:
    """Check that the ids stand where people look. Raises FileRefused when the user must decide."""
    hidden = [header[column] for column in roles if column in grid.hidden_columns]
    if not hidden or options.hidden is Hidden.INCLUDE:
        return
    raise FileRefused(
        f"{name}: column {' and '.join(map(repr, hidden))} with ids is hidden.",
        hint="Show it in the spreadsheet and compare it, or name other columns with --columns; or decide with "
        "--include-hidden.",
        page_hint="Show it in the spreadsheet and compare it.",
        choices=Choices(hidden=True) if options.hidden is Hidden.REFUSE else None,
    )


def _hidden(grid: Grid, top: int, name: str, options: ReadOptions) -> frozenset[int]:
    """Return the numbers of the rows to leave out. Raises FileRefused when the user must decide."""
    hidden = [number for number in grid.numbers[top + 1 :] if number in grid.hidden_rows] if grid.hidden_rows else []
    visible = len(grid.numbers) - top - 1 - len(hidden)
    if options.hidden is Hidden.REFUSE and (hidden or grid.merged):
        found = [f"{pluralize(len(hidden), _HIDDEN_ROW)} and {visible:,} that can be seen"] if hidden else []
        if grid.merged:
            found.append(f"{pluralize(len(grid.merged), 'merged range')} ({', '.join(grid.merged[:5])})")
        raise FileRefused(
            f"{name} has {', and '.join(found)}.",
            hint="Decide with --visible-only or --include-hidden.",
            choices=Choices(hidden=True),
        )
    if options.hidden is Hidden.LEAVE_OUT:
        return grid.hidden_rows
    if hidden:
        counts = pluralize(len(hidden), f"{_HIDDEN_ROW} is", f"{_HIDDEN_ROW}s are")
        grid.notes.append(f"{counts} included, beside {visible:,} that can be seen.")
    return frozenset()


def _empty_rows(grid: Grid, roles: Roles, start: int) -> set[int]:
    """Return the indexes of rows with nothing in any cell."""
    learners = grid.columns[roles.learner]
    candidates = [i for i in range(start, len(learners)) if not str(learners[i]).strip()]
    return {i for i in candidates if not any(filled(column[i]) for column in grid.columns)}


def _text_columns(grid: Grid, start: int, excluded: set[int]) -> list[list[str]]:
    """Return the columns as texts, from row ``start`` on and without the rows ``excluded`` (by index)."""
    texts = []
    for column in grid.columns:
        cells = column[start:]
        if not damaged_ids.are_all_text(cells):
            cells = [damaged_ids.cell_text(cell) for cell in cells]
        if excluded:
            cells = [cell for i, cell in enumerate(cells, start=start) if i not in excluded]
        texts.append(cells)
    return texts  # type: ignore[return-value] # every cell is a text by now


def _notes(cells: list[list[str]], roles: Roles, header: tuple[str, ...], digits_only: list[bool]) -> list[str]:
    notes = []
    for column, is_plain in zip(roles, digits_only, strict=True):
        ids = cells[column]
        trimmed = 0 if is_plain else sum(cell != cell.strip(TRIMMED_CHARACTERS) for cell in ids)
        if trimmed:
            notes.append(f"Column {header[column]!r}: outer blanks of {trimmed:,} cells are trimmed.")
    return notes
