"""The same facts from the older .xls: a walk over its records, whose numbers and forms Microsoft documents (MS-XLS)."""

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
"""Records that begin with a row and a column; those of several cells (MULRK, MULBLANK) end with the last column."""
_SEVERAL = frozenset({0x00BD, 0x00BE})
_HIDDEN_ROW = 0x20
_DIMENSIONS = 0x0200
MAX_HEIGHT, MAX_WIDTH = 65_536, 256
"""Rows and columns that the format has."""


def facts(raw: bytes, name: str) -> list[SheetFacts]:
    """Every worksheet in the book's order. Raises FileRefused, also for an encrypted book."""
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
    # xlrd divides by, looks up and unpacks what stands in the file.
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
    raise FileRefused(f"{name} is no workbook.", hint="Save it as .xlsx or CSV.")


def _records(stream: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    """Type and body of each record, up to the end of the substream that begins at ``offset``. Raises ValueError for
    what does not begin as one: python-calamine reads on, past everything that is looked at here.
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
    """Before anything is made of it: two cells far apart would become a sheet of all that lies between them, and
    python-calamine makes room for what the sheet claims, or takes the whole process down.
    """
    rows = width = claimed = 0
    places = set[tuple[int, int]]()
    for kind, body in _records(stream, offset):
        if kind == _DIMENSIONS:
            top, claimed, left, width = struct.unpack_from("<HHHH" if len(body) == 10 else "<IIHH", body)
            if top > claimed or left > width:
                raise FileRefused(f"{name}, sheet {title!r}: it ends before it begins.", hint="Save it as .xlsx.")
        elif kind in _CELLS:
            row, column = last = struct.unpack_from("<HH", body)
            if kind in _SEVERAL:
                last = row, *struct.unpack_from("<H", body, len(body) - 2)
            for place in range(column, last[1] + 1):
                if (row, place) in places:  # python-calamine would keep the last, and a person would be lost
                    raise FileRefused(
                        f"{name}, sheet {title!r}: cell {column_letter(place)}{row + 1} stands there twice.",
                        hint="Save it as .xlsx.",
                    )
                places.add((row, place))
            rows, width = max(rows, row + 1), max(width, last[1] + 1)
    if claimed > MAX_HEIGHT or width > MAX_WIDTH or rows * width > MAX_CELLS:
        raise FileRefused(
            f"{name}, sheet {title!r}: it claims {max(rows, claimed):,} rows of {width:,} columns.",
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
            for place in range(struct.unpack_from("<H", body)[0]):
                first, last, left, right = struct.unpack_from("<HHHH", body, 2 + 8 * place)
                merged.append(f"{column_letter(left)}{first + 1}:{column_letter(right)}{last + 1}")
    return SheetFacts(title, visible, frozenset(hidden), tuple(merged), frozenset(formulas))
