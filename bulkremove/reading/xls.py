"""Scan an .xls file for what ``xlsx`` finds in .xlsx files; record types and layouts: Microsoft's [MS-XLS]."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from xlrd.compdoc import CompDoc, CompDocError

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import column_letter
from bulkremove.reading.grid import MAX_CELLS
from bulkremove.reading.xlsx import SheetFacts

_BOF, _EOF, _FORMULA, _FILEPASS, _BOUNDSHEET, _MERGED, _ROW = 0x0809, 0x000A, 0x0006, 0x002F, 0x0085, 0x00E5, 0x0208
_CELLS = frozenset({_FORMULA, 0x00BD, 0x00BE, 0x00D6, 0x00FD, 0x0201, 0x0203, 0x0204, 0x0205, 0x027E})
"""Cell records: they begin with a row and a column."""
_MULTIPLE_CELLS = frozenset({0x00BD, 0x00BE})
"""Cell records of several cells (MULRK, MULBLANK); they end with the last column."""
_HIDDEN_ROW = 0x20
_DIMENSIONS = 0x0200
MAX_HEIGHT, MAX_WIDTH = 65_536, 256
"""Most rows and columns that the format allows."""


def facts(raw: bytes, name: str) -> list[SheetFacts]:
    """Scan every worksheet, in the order of the workbook. Raises FileRefused, also for an encrypted workbook."""
    try:
        stream = _stream(raw, name)
        sheets = []
        for kind, body in _records(stream, 0):
            if kind == _FILEPASS:
                raise FileRefused(f"{name} is protected by a password.", hint="Save it without one.")
            if kind == _BOUNDSHEET and body[5] == 0:
                offset, visibility = struct.unpack_from("<IB", body)
                wide = body[7] & 1
                title = body[8:].decode("utf-16-le" if wide else "latin-1")
                _check_extent(stream, offset, title, name)
                sheets.append(_sheet(stream, offset, title, visible=visibility & 3 == 0))
        return sheets
    # xlrd uses values of the file unchecked, as divisors, offsets and lengths.
    except (
        struct.error,
        LookupError,
        ValueError,
        TypeError,
        ArithmeticError,
        RecursionError,
        AssertionError,
        CompDocError,
    ) as error:
        raise FileRefused(f"{name} is damaged ({type(error).__name__}).", hint="Save it as .xlsx.") from None


def _stream(raw: bytes, name: str) -> bytes:
    book = CompDoc(raw, logfile=io.StringIO())
    if book.locate_named_stream("EncryptedPackage")[0] is not None:
        raise FileRefused(f"{name} is protected by a password.", hint="Save it without one.")
    for title in ("Workbook", "Book"):
        memory, base, length = book.locate_named_stream(title)
        if memory is not None:
            return bytes(memory[base : base + length])
    raise FileRefused(f"{name} is not a workbook.", hint="Save it as .xlsx or CSV.")


def _records(stream: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    """Iterate over type and body of each record in the substream that begins at ``offset``.

    Raises ValueError when no substream begins there: python-calamine would read records there that were not checked.
    """
    if struct.unpack_from("<H", stream, offset)[0] != _BOF:
        raise ValueError(offset)
    depth = 0
    while offset + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, offset)
        yield kind, stream[offset + 4 : offset + 4 + length]
        depth += (kind == _BOF) - (kind == _EOF)
        if depth <= 0:
            return
        offset += 4 + length


def _check_extent(stream: bytes, offset: int, title: str, name: str) -> None:
    """Refuse a sheet of excessive size or with a cell that occurs twice, before python-calamine reads it.

    python-calamine allocates memory for the claimed size and for all cells between two distant ones; when it fails, the
    whole process ends.
    """
    rows = width = claimed_rows = 0
    cells = set[tuple[int, int]]()
    for kind, body in _records(stream, offset):
        if kind == _DIMENSIONS:
            top, bottom, left, right = struct.unpack_from("<HHHH" if len(body) == 10 else "<IIHH", body)
            if top > bottom or left > right:
                raise FileRefused(f"{name}, sheet {title!r}: it ends before it begins.", hint="Save it as .xlsx.")
            claimed_rows, width = max(claimed_rows, bottom), max(width, right)  # python-calamine obeys each claim
        elif kind in _CELLS:
            row, column = last = struct.unpack_from("<HH", body)
            if kind in _MULTIPLE_CELLS:
                last = row, *struct.unpack_from("<H", body, len(body) - 2)
            for index in range(column, last[1] + 1):
                if (row, index) in cells:  # python-calamine would silently drop the first of the two
                    raise FileRefused(
                        f"{name}, sheet {title!r}: cell {column_letter(index)}{row + 1} occurs twice.",
                        hint="Save it as .xlsx.",
                    )
                cells.add((row, index))
            rows, width = max(rows, row + 1), max(width, last[1] + 1)
    if claimed_rows > MAX_HEIGHT or width > MAX_WIDTH or rows * width > MAX_CELLS:
        raise FileRefused(
            f"{name}, sheet {title!r}: it claims {max(rows, claimed_rows):,} rows of {width:,} columns.",
            hint="Copy the rows into a new workbook.",
        )


def _sheet(stream: bytes, offset: int, title: str, *, visible: bool) -> SheetFacts:
    hidden, merged, formulas = set[int](), list[str](), set[tuple[int, int]]()
    for kind, body in _records(stream, offset):
        if kind == _ROW and struct.unpack_from("<I", body, 12)[0] & _HIDDEN_ROW:
            hidden.add(struct.unpack_from("<H", body)[0] + 1)
        elif kind == _FORMULA:
            row, column = struct.unpack_from("<HH", body)
            formulas.add((row + 1, column))
        elif kind == _MERGED:
            for index in range(struct.unpack_from("<H", body)[0]):
                first, last, left, right = struct.unpack_from("<HHHH", body, 2 + 8 * index)
                merged.append(f"{column_letter(left)}{first + 1}:{column_letter(right)}{last + 1}")
    return SheetFacts(title, visible, frozenset(hidden), tuple(merged), frozenset(formulas))
