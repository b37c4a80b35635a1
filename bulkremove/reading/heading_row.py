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
from bulkremove.reading import damaged_ids, encodings
from bulkremove.reading.columns import has_roles, named
from bulkremove.reading.grid import Grid, filled
from bulkremove.reading.options import ROLES, ReadOptions
from bulkremove.reading.separators import DETECTED, sep_line

NO_HEADINGS = 0
"""The ``header_row`` of a file without headings."""
MAX_SEARCHED_ROWS = 20
"""Rows among which headings are searched."""
_MAX_EXTRA_CHARACTERS = 4
"""Characters around the digits of an id, at most."""
_MIN_IDS_OF_PERSON = 2
"""Ids in a row that names a person; a title may hold one number."""
_HEAD_BYTES = 65_536
_MIN_ID_DIGITS = 6
"""Fewer digits may be a heading, such as a year."""


def locate_header(grid: Grid, name: str, options: ReadOptions) -> tuple[int, tuple[str, ...]]:
    """Return the index of the heading row (the first row's minus 1 without headings) and the headings.

    Raises FileRefused for an empty file, for a row that does not exist, and where the user must decide.
    """
    first = next((i for i in range(len(grid.numbers)) if any(filled(column[i]) for column in grid.columns)), None)
    if first is None:
        raise FileRefused(f"{name} is empty.")
    if options.header_row == NO_HEADINGS:
        if has_roles(_texts(grid, first)):
            raise FileRefused(f"{name}: row {grid.numbers[first]} holds headings.", hint="Read it with headings.")
        return first - 1, tuple(column_letter(column) for column in range(len(grid.columns)))
    if options.header_row is not None:
        if options.header_row not in grid.numbers:
            raise FileRefused(f"{name} has no row {options.header_row}.", hint="Name another row.")
        top = grid.numbers.index(options.header_row)
        for index in range(first, top):
            _check_no_person(_texts(grid, index), grid.numbers[index], name)
        header = _texts(grid, top)
        if any(map(_is_id, _id_headings(header, options))) or _are_digits(_id_headings(header, options)):
            raise FileRefused(f"{name}: row {grid.numbers[top]} holds ids, not headings.", hint="Name another row.")
        return top, header
    header = _texts(grid, first)
    if any(map(_is_id, _id_headings(header, options))) or _are_digits(_id_headings(header, options)):
        raise FileRefused(
            f"{name}: row {grid.numbers[first]} holds ids, not headings.",
            hint="If the file has no headings, give --no-header and the columns by letter "
            "(--columns course=A,batch=B,learner=C); for nightly runs add a row with headings.",
            choices=Choices(header_row=NO_HEADINGS, header=header, rows=_rows(grid, first)),
        )
    if not options.columns and not has_roles(header):
        for index in range(first + 1, min(first + MAX_SEARCHED_ROWS, len(grid.numbers))):
            if has_roles(_texts(grid, index)):
                raise header_row_error(name, grid.numbers[index])
    return first, header


def _id_headings(header: Sequence[str], options: ReadOptions) -> Sequence[str]:
    """The headings of the id columns; all of them where nothing says yet which these are."""
    if not options.columns:
        return () if has_roles(header) else header
    columns = (named(header, column) if isinstance(column, str) else [column] for column in options.columns.values())
    return [header[index] for indexes in columns for index in indexes if index < len(header)]


def header_row_error(name: str, row: int) -> FileRefused:
    """The error for a file whose headings seem to be in this row."""
    return FileRefused(
        f"{name}: the headings seem to stand in row {row}, below other lines.",
        hint=f"If that is so, give --header-row {row}; for a night, write header_row = {row} into its block.",
        choices=Choices(header_row=row),
    )


def find_in_text(raw: bytes, name: str) -> int | None:
    """Return the number of the first row of a CSV file that has headings for all three ids; None without one.

    Raises FileRefused for a ``sep=`` line with another separator than a reader knows.
    """
    text = _decoded(raw)[:_HEAD_BYTES]
    start, separators = sep_line(text, name)
    for separator in separators or DETECTED:
        rows = csv.reader(io.StringIO(text[start:], newline=""), delimiter=separator)
        for number, row in zip(range(1, MAX_SEARCHED_ROWS + 1), _readable(rows), strict=False):
            if has_roles([cell.strip() for cell in row]):
                return number
    return None


def blank_above(raw: bytes, row: int, name: str) -> bytes:
    """Return a CSV file with empty lines in place of the rows above this one, so that the others keep their numbers.

    A ``sep=`` line is not a row and stays. Raises FileRefused if a row above names a person, or where the file can't be
    decoded.
    """
    if encoding := encodings.utf16(raw):
        try:
            raw = raw.decode(encoding).encode()
        except UnicodeDecodeError:
            raise FileRefused(
                f"{name} is damaged or cut off: it is not valid UTF-16.", hint="Export it again."
            ) from None
    raw = raw.removeprefix(codecs.BOM_UTF8)
    head = raw[: 1 << 20].decode("latin-1")  # byte by byte: only line ends and quotation marks matter here
    start, separators = sep_line(head, name)
    splits = [_split(head[start:], row, separator) for separator in separators or DETECTED]
    above, cells, length = max(splits, key=lambda split: (has_roles(split[1]), len(split[1])))
    for number, texts in enumerate(above, start=1):
        _check_no_person(texts, number, name)
    if not any(cells):
        raise FileRefused(f"{name}: row {row} is empty or does not exist.", hint="Name another row.")
    line_end = b"\r" if head[:start].endswith("\r") else b"\n"  # a \n behind \r would be part of the same line end
    return raw[:start] + line_end * (row - 1) + raw[start + length :]


def _split(head: str, row: int, separator: str) -> tuple[list[list[str]], list[str], int]:
    """Read a CSV's first rows with this separator: the rows above ``row``, that row, and the characters above it."""
    lengths, lines, read = [0], io.StringIO(head, newline=""), 0

    def counted() -> Iterator[str]:
        nonlocal read
        for line in lines:
            read += len(line)
            yield line

    rows = []
    for cells in _readable(csv.reader(counted(), delimiter=separator)):
        rows.append([cell.strip() for cell in cells])
        lengths.append(read)
        if len(rows) == row:
            break
    if len(rows) < row:
        return rows, [], lengths[-1]
    return rows[:-1], rows[-1], lengths[-2]


def _check_no_person(texts: Sequence[str], number: int, name: str) -> None:
    """Check that a row above the headings holds no ids, since nobody may vanish with it. Raises FileRefused."""
    if sum(map(_is_id, texts)) >= _MIN_IDS_OF_PERSON or _are_digits([text for text in texts if text]):
        raise FileRefused(
            f"{name}: row {number} holds ids, and it stands above the row with the headings.",
            hint="Name another row; people above the headings would be left out.",
        )


def _readable(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    try:
        yield from rows
    except csv.Error:  # a cell of more than 131,072 characters; the reader says so in its own words
        return


def _decoded(raw: bytes) -> str:
    head = raw[: _HEAD_BYTES * 2]
    if encoding := encodings.utf16(raw):
        return head.decode(encoding, "ignore")
    return head.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")


def _texts(grid: Grid, index: int) -> tuple[str, ...]:
    return tuple(damaged_ids.cell_text(column[index]).strip() for column in grid.columns)


def _rows(grid: Grid, start: int) -> tuple[tuple[str, ...], ...]:
    return tuple(_texts(grid, index) for index in range(start, min(start + 5, len(grid.numbers))))


def _are_digits(texts: Sequence[str]) -> bool:
    """Whether as many texts as a row has ids are digits alone, and no other text is there: short ids, not headings."""
    return len(texts) >= len(ROLES) and all(text.isdigit() for text in texts)


def _is_id(text: str) -> bool:
    """Whether a text is an id, perhaps with something around it: an apostrophe, ``="..."``, unseen blanks."""
    digits = sum(character.isdigit() for character in text)
    return digits >= _MIN_ID_DIGITS and digits >= len(text) - _MAX_EXTRA_CHARACTERS
