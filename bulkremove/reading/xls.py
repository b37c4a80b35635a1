"""Scan an .xls file for what ``xlsx`` finds in .xlsx files; record types and layouts: Microsoft's [MS-XLS]."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from xlrd.biffh import biff_rec_name_dict
from xlrd.book import unpack_SST_table
from xlrd.compdoc import CompDoc, CompDocError

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import column_letter
from bulkremove.reading.grid import MAX_CELLS
from bulkremove.reading.other_formats import OLD_EXCEL, PROTECTED
from bulkremove.reading.sheet_facts import SheetFacts

_BOF, _EOF, _FILEPASS, _BOUNDSHEET, _MERGED, _ROW = 0x0809, 0x000A, 0x002F, 0x0085, 0x00E5, 0x0208
_DIMENSIONS, _SST, _CONTINUE, _FONT, _FORMAT, _COLUMNS = 0x0200, 0x00FC, 0x003C, 0x0031, 0x00E0, 0x007D
_FORMULA, _OLD_FORMULAS, _STRING = 0x0006, frozenset({0x0206, 0x0406}), 0x0207
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
_BIFF8 = 0x0600
_WORKSHEET = 0
_HIDDEN_ROW, _STRUCK = 0x20, 0x08
MAX_HEIGHT, MAX_WIDTH = 65_536, 256
"""Most rows and columns that the format allows."""


def facts(raw: bytes, name: str) -> list[SheetFacts]:
    """Scan every worksheet, in the order of the workbook. Raises FileRefused, also for an encrypted workbook."""
    try:
        return _Workbook(_stream(raw, name), name).sheets()
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
    ):
        raise FileRefused(f"{name} is damaged.", hint="Open it in Excel and save it as .xlsx.") from None


def _stream(raw: bytes, name: str) -> bytes:
    book = CompDoc(raw, logfile=io.StringIO())
    if book.locate_named_stream("EncryptedPackage")[0] is not None:
        raise PROTECTED.refused(name)
    memory, base, length = book.locate_named_stream("Workbook")
    if memory is not None:
        return bytes(memory[base : base + length])
    if book.locate_named_stream("Book")[0] is not None:
        raise OLD_EXCEL.refused(name)
    raise FileRefused(f"{name} is not a workbook.", hint="Give a CSV, .xlsx, .xls or .ods file.")


def _records(stream: bytes, offset: int) -> Iterator[tuple[int, bytes, int]]:
    """Iterate over type, body and depth of each record in the substream that begins at ``offset``; its own depth is 1.

    Raises ValueError when no substream begins there: python-calamine would read records there that were not checked.
    """
    if struct.unpack_from("<H", stream, offset)[0] != _BOF:
        raise ValueError(offset)
    depth = 0
    while offset + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, offset)
        depth += kind == _BOF
        yield kind, stream[offset + 4 : offset + 4 + length], depth
        depth -= kind == _EOF
        if depth <= 0:
            return
        offset += 4 + length


class _Workbook:
    """The scan of one workbook."""

    def __init__(self, stream: bytes, name: str) -> None:
        self._stream, self._name = stream, name
        self._claimed = self._cells = 0
        """Cells for which python-calamine would allocate memory, and cells with values, of all sheets until now."""

    def sheets(self) -> list[SheetFacts]:
        bound, texts, last = list[bytes](), list[bytes](), 0
        struck, fonts = list[bool](), list[int]()
        for kind, body, _ in _records(self._stream, 0):
            if kind == _BOF and struct.unpack_from("<H", body)[0] != _BIFF8:
                raise OLD_EXCEL.refused(self._name)
            if kind == _FILEPASS:
                raise PROTECTED.refused(self._name)
            if kind == _BOUNDSHEET:
                bound.append(body)
            if kind == _FONT:
                struck += [bool(body[2] & _STRUCK)] * (2 if len(struck) == 3 else 1)  # no font has the index 4
            if kind == _FORMAT:
                fonts.append(struct.unpack_from("<H", body)[0])
            if kind == _SST or (kind == _CONTINUE and last == _SST):
                texts.append(body)
            last = _SST if kind == _CONTINUE and last == _SST else kind
        offsets = [struct.unpack_from("<I", body)[0] for body in bound]
        if len(set(offsets)) < len(offsets):
            raise ValueError(offsets)
        blank_texts, struck_texts = self._blank_texts(texts), self._struck_texts(texts, struck)
        formats = frozenset(index for index, font in enumerate(fonts) if font < len(struck) and struck[font])
        sheets = []
        for offset, body in zip(offsets, bound, strict=True):
            wide = body[7] & 1
            title = body[8:].decode("utf-16-le" if wide else "latin-1")
            scan = _SheetScan(self._name, title, blank_texts, struck_texts, formats, is_worksheet=body[5] == _WORKSHEET)
            scan.scan(self._stream, offset)
            self._claimed += scan.claimed
            self._cells += scan.cells
            if self._claimed > 50 * self._cells + 1_000_000:
                raise scan.too_large()
            if body[5] == _WORKSHEET:
                sheets.append(scan.facts(visible=body[4] & 3 == 0))
        return sheets

    @staticmethod
    def _blank_texts(records: list[bytes]) -> frozenset[int]:
        """Return the indexes of the shared texts that are empty."""
        if not records:
            return frozenset()
        count = struct.unpack_from("<I", records[0], 4)[0]
        if count > sum(map(len, records)) // 3:  # python-calamine allocates memory for each
            raise ValueError(count)
        if not any(b"\0\0\0" in record for record in records):  # an empty text: no letters, no flags
            return frozenset()
        strings, _ = unpack_SST_table(records, count)
        return frozenset(index for index, text in enumerate(strings) if not text.strip())

    @staticmethod
    def _struck_texts(records: list[bytes], struck: list[bool]) -> frozenset[int]:
        """Return the indexes of the shared texts of which a part is struck through. ``struck``: by font."""
        if not records or not any(struck):
            return frozenset()
        _, runs = unpack_SST_table(records, struct.unpack_from("<I", records[0], 4)[0])
        return frozenset(
            index for index, fonts in runs.items() if any(font < len(struck) and struck[font] for _, font in fonts)
        )


class _SheetScan:
    """One pass over the records of a sheet, before python-calamine reads them.

    python-calamine allocates memory for all cells between two distant ones, and when it fails, the whole process ends.
    It passes over records that it does not know, and drops the first of two cells at one place.
    """

    def __init__(
        self,
        name: str,
        title: str,
        blank_texts: frozenset[int],
        struck_texts: frozenset[int],
        struck_formats: frozenset[int],
        *,
        is_worksheet: bool,
    ) -> None:
        self._name, self._title, self._blank_texts, self._is_worksheet = name, title, blank_texts, is_worksheet
        self._struck_texts, self._struck_formats = struck_texts, struck_formats
        self._hidden_columns = set[int]()
        self._claimed_rows = self._claimed_width = self._rows = self._width = self._filled_width = 0
        self._taken = bytearray(MAX_HEIGHT * MAX_WIDTH) if is_worksheet else bytearray()
        self._filled = bytearray()
        self._last_formula = (0, 0, 0)
        """Type, row and column of the record before, when it was a formula; else zeros."""
        self._hidden, self._merged, self._formulas = set[int](), list[str](), set[tuple[int, int]]()
        self._errors = dict[tuple[int, int], str]()
        self.cells = 0
        """Cells with values."""

    @property
    def claimed(self) -> int:
        """Cells between the first and the last one with a value."""
        return self._rows * self._width

    def scan(self, stream: bytes, offset: int) -> None:
        for kind, body, depth in _records(stream, offset):
            if kind in _CELLS:
                if depth > 1 and self._is_worksheet:  # python-calamine would take its cells for those of the sheet
                    raise self._refused("it holds a chart.", "Delete the chart, or save the file as .xlsx.")
                self._cell(kind, body)
            elif kind == _DIMENSIONS:
                self._dimensions(body)
            elif kind == _STRING:
                self._text_result(body)
            elif self._may_be_a_cell(kind, body):
                raise self._refused(
                    f"it holds a cell of an unknown kind (record type {kind:04X}).",
                    "Open it in Excel, save it as .xlsx, and compare the rows.",
                )
            elif kind == _ROW and struct.unpack_from("<I", body, 12)[0] & _HIDDEN_ROW:
                self._hidden.add(struct.unpack_from("<H", body)[0] + 1)
            elif kind == _COLUMNS:
                first, last_column, _, _, flags = struct.unpack_from("<HHHHH", body)
                if flags & 1:
                    self._hidden_columns.update(range(first, min(last_column, MAX_WIDTH - 1) + 1))
            elif kind == _MERGED:
                for index in range(struct.unpack_from("<H", body)[0]):
                    first, last, left, right = struct.unpack_from("<HHHH", body, 2 + 8 * index)
                    self._merged.append(f"{column_letter(left)}{first + 1}:{column_letter(right)}{last + 1}")
        if max(self._rows, self._claimed_rows) > MAX_HEIGHT or self._claimed_width > MAX_WIDTH:
            raise self.too_large()
        if self.claimed > MAX_CELLS:
            raise self.too_large()

    def facts(self, *, visible: bool) -> SheetFacts:
        return SheetFacts(
            self._title,
            visible,
            frozenset(self._hidden),
            tuple(self._merged),
            frozenset(self._formulas),
            errors=self._errors,
            hidden_columns=frozenset(self._hidden_columns),
            filled=bytes(self._filled),
            width=self._filled_width,
        )

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
            self._formulas.add((row + 1, column))
        if kind in (_BLANK, _MULBLANK):  # python-calamine reads neither
            return
        self.cells += last - column + 1
        self._rows, self._width = max(self._rows, row + 1), max(self._width, last + 1)
        if (kind == _BOOLERR and body[7]) or (kind == _FORMULA and body[6] == 2 and body[12:14] == b"\xff\xff"):
            code = body[6] if kind == _BOOLERR else body[8]
            self._errors[row + 1, column] = _ERRORS.get(code, "an error")
        if kind == _LABELSST and struct.unpack_from("<I", body, 6)[0] in self._blank_texts:
            return
        if kind == _LABEL and not struct.unpack_from("<H", body, 6)[0]:
            return
        if len(self._filled) <= row:
            self._filled += bytes(row + 1 - len(self._filled))
        self._filled[row] = 1
        formats = struct.iter_unpack("<HI", body[4:-2]) if kind == _MULRK else [struct.unpack_from("<H", body, 4)]
        is_struck = kind == _LABELSST and struct.unpack_from("<I", body, 6)[0] in self._struck_texts
        if is_struck or (self._struck_formats and any(index in self._struck_formats for index, *_ in formats)):
            self._hidden.add(row + 1)
        self._filled_width = max(self._filled_width, last + 1)

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
        return FileRefused(f"{self._name}, sheet {self._title!r}: {problem}", hint=hint)
