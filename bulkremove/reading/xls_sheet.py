"""Scan a sheet of an .xls file for hidden rows, merged cells, formulas and errors, and check its positions."""

from __future__ import annotations

import struct

from xlrd.biffh import biff_rec_name_dict

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import column_letter
from bulkremove.reading.grid import MAX_CELLS
from bulkremove.reading.sheet_facts import SheetFacts
from bulkremove.reading.xls_records import records_at

_MERGED, _ROW, _DIMENSIONS, _COLUMNS = 0x00E5, 0x0208, 0x0200, 0x007D
_FORMULA, _OLD_FORMULAS, _STRING = 0x0006, frozenset({0x0206, 0x0406}), 0x0207
_NOTE = 0x001C
"""A comment on a cell."""
_MULRK, _MULBLANK, _BLANK, _LABELSST, _LABEL, _BOOLERR = 0x00BD, 0x00BE, 0x0201, 0x00FD, 0x0204, 0x0205
_NUMBER, _RK = 0x0203, 0x027E
_FORMULAS = _OLD_FORMULAS | {_FORMULA}
_CELLS = _FORMULAS | {_MULRK, _MULBLANK, _BLANK, _LABELSST, _LABEL, _BOOLERR, _NUMBER, _RK}
"""Cell records: they begin with a row and a column."""
_MULTIPLE_CELLS = frozenset({_MULRK, _MULBLANK})
"""Cell records of several cells; they end with the last column."""
_CELL_FORMS = frozenset({*range(0x01, 0x07), 0x7E})
"""Low bytes of the types of cell records; the high byte is the version of Excel that introduced the layout."""
_RICH_TEXT = 0x00D6
"""A cell record (RSTRING) that python-calamine does not read."""
_NO_CELLS = frozenset(biff_rec_name_dict) | {
    *(0x33, 0x50, 0x52, 0x60, 0x61, 0x97, 0x98, 0x9A, 0xD8, 0xD9, 0xDC, 0xDE, 0xE3, 0x0418, 0x043C),
    *range(0xAE, 0xBC),
    *range(0xC5, 0xD6),
    *range(0xF0, 0xFC),
    *range(0x0100, 0x0200),
}
"""Types of records that hold no cell: those that xlrd names and others of [MS-XLS]. Cells are looked for before."""
_FUTURE = 0x0800
"""Types from here on belong to charts and to features after Excel 97, none of them to cells."""
_ERRORS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}
_HIDDEN_ROW = 0x20
MAX_HEIGHT, MAX_WIDTH = 65_536, 256
"""Most rows and columns that the format allows."""


class SheetScan:
    """One pass over the records of a sheet, before python-calamine reads them.

    python-calamine allocates memory for all cells between two distant ones, and when it fails, the whole process ends.
    It passes over records that it does not know, and drops the first of two cells at one place.
    """

    def __init__(
        self,
        name: str,
        facts: SheetFacts,
        blank_texts: frozenset[int],
        struck_texts: frozenset[int],
        raised_texts: frozenset[int],
        struck_formats: frozenset[int],
        *,
        is_worksheet: bool,
    ) -> None:
        self._name, self._facts, self._blank_texts, self._is_worksheet = name, facts, blank_texts, is_worksheet
        self._struck_texts, self._struck_formats, self._raised_texts = struck_texts, struck_formats, raised_texts
        self._claimed_rows = self._claimed_width = self._rows = self._width = 0
        self._taken = bytearray(MAX_HEIGHT * MAX_WIDTH) if is_worksheet else bytearray()
        self._last_formula = (0, 0, 0)
        """Type, row and column of the record before, when it was a formula; else zeros."""
        self.cells = 0
        """Cells with values."""

    @property
    def claimed(self) -> int:
        """Cells between the first and the last one with a value."""
        return self._rows * self._width

    def scan(self, stream: bytes, offset: int) -> None:
        """Add what the sheet that begins at ``offset`` holds to its facts. Raises FileRefused or struct.error."""
        for kind, body, depth in records_at(stream, offset):
            if kind in _CELLS:
                if depth > 1 and self._is_worksheet:  # python-calamine would take its cells for those of the sheet
                    raise self._refused("it holds a chart.", "Delete the chart, or save the file as .xlsx.")
                self._cell(kind, body)
            elif kind == _DIMENSIONS:
                self._dimensions(body)
            elif kind == _STRING:
                self._text_result(body)
            elif kind == _NOTE:
                self._facts.hidden_rows.add(struct.unpack_from("<H", body)[0] + 1)
            elif self._may_be_a_cell(kind, body):
                raise self._refused(
                    f"it holds a cell of an unknown kind (record type {kind:04X}).",
                    "Open it in Excel, save it as .xlsx, and compare the rows.",
                )
            elif kind == _ROW and struct.unpack_from("<I", body, 12)[0] & _HIDDEN_ROW:
                self._facts.hidden_rows.add(struct.unpack_from("<H", body)[0] + 1)
            elif kind == _COLUMNS:
                first, last_column, _, _, flags = struct.unpack_from("<HHHHH", body)
                if flags & 1:
                    self._facts.hidden_columns.update(range(first, min(last_column, MAX_WIDTH - 1) + 1))
            elif kind == _MERGED:
                for index in range(struct.unpack_from("<H", body)[0]):
                    first, last, left, right = struct.unpack_from("<HHHH", body, 2 + 8 * index)
                    self._facts.merged.append(f"{column_letter(left)}{first + 1}:{column_letter(right)}{last + 1}")
        if max(self._rows, self._claimed_rows) > MAX_HEIGHT or self._claimed_width > MAX_WIDTH:
            raise self.too_large()
        if self.claimed > MAX_CELLS:
            raise self.too_large()

    def _dimensions(self, body: bytes) -> None:
        top, bottom, left, right = struct.unpack_from("<HHHH" if len(body) == 10 else "<IIHH", body)
        if top > bottom or left > right:
            raise self._refused("it ends before it begins.", "Save it as .xlsx.")
        # python-calamine obeys each claim
        self._claimed_rows, self._claimed_width = max(self._claimed_rows, bottom), max(self._claimed_width, right)

    def _cell(self, kind: int, body: bytes) -> None:
        row, column = struct.unpack_from("<HH", body)
        last = struct.unpack_from("<H", body, len(body) - 2)[0] if kind in _MULTIPLE_CELLS else column
        self._claimed_width = max(self._claimed_width, last + 1)
        if last >= MAX_WIDTH:
            raise self.too_large()
        if self._is_worksheet:
            self._take(row, column, last)
        self._last_formula = (kind, row, column) if kind in _FORMULAS else (0, 0, 0)
        if kind in _FORMULAS:
            self._facts.formulas.add((row + 1, column))
        if kind in (_BLANK, _MULBLANK):  # python-calamine reads neither
            return
        self.cells += last - column + 1
        self._rows, self._width = max(self._rows, row + 1), max(self._width, last + 1)
        if (kind == _BOOLERR and body[7]) or (kind == _FORMULA and body[6] == 2 and body[12:14] == b"\xff\xff"):
            code = body[6] if kind == _BOOLERR else body[8]
            self._facts.errors[row + 1, column] = _ERRORS.get(code, "an error")
        if kind == _LABELSST and struct.unpack_from("<I", body, 6)[0] in self._blank_texts:
            return
        if kind == _LABEL and not struct.unpack_from("<H", body, 6)[0]:
            return
        self._facts.fill(row + 1, last)
        formats = struct.iter_unpack("<HI", body[4:-2]) if kind == _MULRK else [struct.unpack_from("<H", body, 4)]
        text = struct.unpack_from("<I", body, 6)[0] if kind == _LABELSST else -1
        if text in self._raised_texts:
            self._facts.raised.add((row + 1, column))
        is_struck = text in self._struck_texts
        if is_struck or (self._struck_formats and any(index in self._struck_formats for index, *_ in formats)):
            self._facts.hidden_rows.add(row + 1)

    def _take(self, row: int, left: int, right: int) -> None:
        """Mark cells as taken; refuse one that occurs twice."""
        first, behind = row * MAX_WIDTH + left, row * MAX_WIDTH + right + 1
        taken = self._taken.find(1, first, behind)
        if taken >= 0:  # python-calamine would silently drop the first of the two
            raise self._refused(
                f"cell {column_letter(taken % MAX_WIDTH)}{row + 1} occurs twice.",
                "Open it in Excel and save it as .xlsx.",
            )
        self._taken[first:behind] = b"\1" * (behind - first)

    def _text_result(self, body: bytes) -> None:
        """Check that a text belongs to the formula before it: python-calamine puts it where it last read a formula."""
        kind, row, column = self._last_formula
        if kind == _FORMULA or not self._is_worksheet:
            return
        cell = f"cell {column_letter(column)}{row + 1} holds a formula of an old form" if kind else "a text has no cell"
        raise self._refused(
            f"{cell}, so its ids might be read at a wrong place.",
            "Open it in Excel, copy the column, paste it as values, and save the file as .xlsx.",
        )

    def _may_be_a_cell(self, kind: int, body: bytes) -> bool:
        """Whether a record that is not read may hold a cell: its type has the form of one, or is unknown."""
        if kind >= _FUTURE or len(body) < 6 or not self._is_worksheet:
            return False
        if (kind & 0xFF in _CELL_FORMS and kind >> 8 != 1) or kind == _RICH_TEXT:
            return True
        row, column = struct.unpack_from("<HH", body)
        return kind not in _NO_CELLS and row <= max(self._rows, self._claimed_rows) and column < MAX_WIDTH

    def too_large(self) -> FileRefused:
        """The refusal of a sheet of excessive size."""
        rows, width = max(self._rows, self._claimed_rows), max(self._width, self._claimed_width)
        return self._refused(f"it claims {rows:,} rows of {width:,} columns.", "Copy the rows into a new workbook.")

    def _refused(self, problem: str, hint: str) -> FileRefused:
        return FileRefused(f"{self._name}, sheet {self._facts.name!r}: {problem}", hint=hint)
