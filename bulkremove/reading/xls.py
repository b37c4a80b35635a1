"""Scan an .xls file for what ``xlsx`` finds in .xlsx files: the workbook, then each sheet."""

from __future__ import annotations

import io
import struct

from xlrd.book import unpack_SST_table
from xlrd.compdoc import CompDoc, CompDocError

from bulkremove.domain.errors import FileRefused
from bulkremove.reading.other_formats import OLD_EXCEL, PROTECTED
from bulkremove.reading.sheet_facts import SheetFacts
from bulkremove.reading.xls_records import BOF, records_at
from bulkremove.reading.xls_sheet import SheetScan

_FILEPASS, _BOUNDSHEET, _SST, _CONTINUE, _FONT, _FORMAT = 0x002F, 0x0085, 0x00FC, 0x003C, 0x0031, 0x00E0
_BIFF8 = 0x0600
_WORKSHEET = 0
_STRUCK = 0x08
_ESCAPEMENT = 8
"""Where a font says that it raises or lowers its letters, in two bytes."""


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


class _Workbook:
    """The scan of one workbook."""

    def __init__(self, stream: bytes, name: str) -> None:
        self._stream, self._name = stream, name
        self._claimed = self._cells = 0
        """Cells for which python-calamine would allocate memory, and cells with values, of all sheets until now."""

    def sheets(self) -> list[SheetFacts]:
        bound, texts, last = list[bytes](), list[bytes](), 0
        struck, raised, fonts = list[bool](), list[bool](), list[int]()
        for kind, body, _ in records_at(self._stream, 0):
            if kind == BOF and struct.unpack_from("<H", body)[0] != _BIFF8:
                raise OLD_EXCEL.refused(self._name)
            if kind == _FILEPASS:
                raise PROTECTED.refused(self._name)
            if kind == _BOUNDSHEET:
                bound.append(body)
            if kind == _FONT:
                times = 2 if len(struck) == 3 else 1  # no font has the index 4
                struck += [bool(body[2] & _STRUCK)] * times
                raised += [any(body[_ESCAPEMENT : _ESCAPEMENT + 2])] * times
            if kind == _FORMAT:
                fonts.append(struct.unpack_from("<H", body)[0])
            if kind == _SST or (kind == _CONTINUE and last == _SST):
                texts.append(body)
            last = _SST if kind == _CONTINUE and last == _SST else kind
        offsets = [struct.unpack_from("<I", body)[0] for body in bound]
        if len(set(offsets)) < len(offsets):
            raise ValueError(offsets)
        blank_texts = self._blank_texts(texts)
        struck_texts, raised_texts = self._texts_with(texts, struck), self._texts_with(texts, raised)
        formats = frozenset(index for index, font in enumerate(fonts) if font < len(struck) and struck[font])
        sheets = []
        for offset, body in zip(offsets, bound, strict=True):
            wide = body[7] & 1
            title = body[8:].decode("utf-16-le" if wide else "latin-1")
            facts, is_worksheet = SheetFacts(title, body[4] & 3 == 0), body[5] == _WORKSHEET
            scan = SheetScan(
                self._name, facts, blank_texts, struck_texts, raised_texts, formats, is_worksheet=is_worksheet
            )
            scan.scan(self._stream, offset)
            self._claimed += scan.claimed
            self._cells += scan.cells
            if self._claimed > 50 * self._cells + 1_000_000:
                raise scan.too_large()
            if is_worksheet:
                sheets.append(facts)
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
    def _texts_with(records: list[bytes], has_mark: list[bool]) -> frozenset[int]:
        """Return the indexes of the shared texts of which a part has a mark. ``has_mark``: by font."""
        if not records or not any(has_mark):
            return frozenset()
        _, runs = unpack_SST_table(records, struct.unpack_from("<I", records[0], 4)[0])
        return frozenset(
            index for index, fonts in runs.items() if any(font < len(has_mark) and has_mark[font] for _, font in fonts)
        )
