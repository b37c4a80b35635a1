"""Find the row with the headings where it is not the first: below a title, or not there at all. Never assumed.

The row is only offered to the user, who decides (``ReadOptions.header_row``).
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import Choices, column_letter
from bulkremove.reading import damaged_ids
from bulkremove.reading.columns import by_name, named
from bulkremove.reading.grid import Grid
from bulkremove.reading.options import ROLES, ReadOptions

NO_HEADINGS = 0
"""The ``header_row`` of a file without headings."""
SEARCHED = 20
"""Rows among which headings are searched."""
_HEAD_BYTES = 65_536
_MIN_ID_DIGITS = 6
"""Fewer digits may be a heading, such as a year."""


def place(grid: Grid, name: str, options: ReadOptions) -> tuple[int, tuple[str, ...]]:
    """Return the index of the heading row (the first row's minus 1 without headings) and the headings.

    Raises FileRefused for an empty file, for a row that does not exist, and where the user must decide.
    """
    first = next((i for i in range(len(grid.numbers)) if any(_filled(column[i]) for column in grid.columns)), None)
    if first is None:
        raise FileRefused(f"{name} is empty.")
    if options.header_row == NO_HEADINGS:
        return first - 1, tuple(column_letter(column) for column in range(len(grid.columns)))
    if options.header_row is not None:
        if options.header_row not in grid.numbers:
            raise FileRefused(f"{name} has no row {options.header_row}.", hint="Check --header-row.")
        top = grid.numbers.index(options.header_row)
        return top, _texts(grid, top)
    header = _texts(grid, first)
    if any(map(_is_id, _id_headings(header, options))):
        raise FileRefused(
            f"{name}: row {grid.numbers[first]} holds ids, not headings.",
            hint="If the file has no headings, give --no-header and the columns by letter "
            "(--columns course=A,batch=B,learner=C); for nightly runs add a row with headings.",
            choices=Choices(header_row=NO_HEADINGS, header=header, rows=_rows(grid, first)),
        )
    if not options.columns and not _has_roles(header):
        for index in range(first + 1, min(first + SEARCHED, len(grid.numbers))):
            if _has_roles(_texts(grid, index)):
                raise offer(name, grid.numbers[index])
    return first, header


def _id_headings(header: Sequence[str], options: ReadOptions) -> Sequence[str]:
    """The headings of the id columns; all of them where nothing says yet which these are."""
    if not options.columns:
        return () if _has_roles(header) else header
    columns = (named(header, column) if isinstance(column, str) else [column] for column in options.columns.values())
    return [header[index] for found in columns for index in found if index < len(header)]


def offer(name: str, row: int) -> FileRefused:
    """The error for a file whose headings seem to stand in this row."""
    return FileRefused(
        f"{name}: the headings seem to stand in row {row}, below other lines.",
        hint=f"If that is so, give --header-row {row}; for nightly runs set nightly_header_row.",
        choices=Choices(header_row=row),
    )


def find_in_text(raw: bytes) -> int | None:
    """Return the number of the first row of a CSV file that has headings for all three ids; None without one."""
    text = _decoded(raw)[:_HEAD_BYTES]
    if text[:5].strip('"').casefold().startswith("sep="):
        return None  # this line itself is no row, and its fault is told by the reader
    for separator in ",;\t|":
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        for number, row in zip(range(1, SEARCHED + 1), _readable(rows), strict=False):
            if _has_roles([cell.strip() for cell in row]):
                return number
    return None


def blank_above(raw: bytes, row: int) -> bytes:
    """Return a CSV file with empty lines in place of the rows above this one, so that the others keep their numbers."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raw = raw.decode("utf-16", "replace").encode()
    raw = raw.removeprefix(codecs.BOM_UTF8)
    head = raw[: 1 << 20].decode("latin-1")  # byte by byte: only line ends and quotation marks matter here
    length, lines = 0, io.StringIO(head, newline="")

    def counted() -> Iterator[str]:
        nonlocal length
        for line in lines:
            length += len(line)
            yield line

    rows = csv.reader(counted())
    for _ in zip(range(row - 1), _readable(rows), strict=False):
        pass
    return b"\n" * (row - 1) + raw[length:]


def _readable(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    try:
        yield from rows
    except csv.Error:  # a cell of more than 131,072 characters; the reader says so in its own words
        return


def _decoded(raw: bytes) -> str:
    head = raw[: _HEAD_BYTES * 2]
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", "ignore")
    return head.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")


def _texts(grid: Grid, index: int) -> tuple[str, ...]:
    return tuple(damaged_ids.shown(column[index]).strip() for column in grid.columns)


def _rows(grid: Grid, start: int) -> tuple[tuple[str, ...], ...]:
    return tuple(_texts(grid, index) for index in range(start, min(start + 5, len(grid.numbers))))


def _has_roles(header: Sequence[str]) -> bool:
    return all(by_name(header, role) for role in ROLES)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) >= _MIN_ID_DIGITS


def _filled(cell: object) -> bool:
    return bool(cell.strip()) if isinstance(cell, str) else cell is not None
