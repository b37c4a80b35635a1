"""Scan the XML of an .xlsx file for hidden sheets and rows, merged cells and formulas, and check its cell positions.

python-calamine reads the values quickly, but reports none of this.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError
from xml.parsers import expat

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import column_letter
from bulkremove.reading.grid import MAX_CELLS, MAX_ROWS, column_index

MAX_FORMULAS = 500_000
MAX_TEXTS = 3_000_000
_EXTENSION = "http://schemas.microsoft.com/office/excel/2006/main "
"""The namespace of formulas that belong to sparklines and rules, behind all rows."""
_CELL_REFERENCE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")


@dataclass(frozen=True, slots=True)
class SheetFacts:
    """What a scan of one sheet found beside its values."""

    name: str
    visible: bool
    hidden_rows: frozenset[int] = frozenset()
    merged: tuple[str, ...] = ()
    formulas: frozenset[tuple[int, int]] = frozenset()
    """Cells with a formula: (row number from 1, column from 0)."""


def facts(parts: Mapping[str, bytes], name: str) -> list[SheetFacts]:
    """Scan every worksheet, in the order of the workbook. Raises FileRefused."""
    if sum(part.count(b"<si") for path, part in parts.items() if path.lower() == "xl/sharedstrings.xml") > MAX_TEXTS:
        raise FileRefused(f"{name} holds more than {MAX_TEXTS:,} different texts.", hint="Split it.")
    lowered = {path.lower(): part for path, part in parts.items()}  # python-calamine ignores their case
    try:
        return [_SheetScan(name, sheet).scan(lowered[path.lower()], visible) for sheet, visible, path in _sheets(parts)]
    except (ParseError, expat.ExpatError, DefusedXmlException, LookupError, ValueError) as error:
        raise FileRefused(f"{name} is damaged ({type(error).__name__}).", hint="Export it again.") from None


def _sheets(parts: Mapping[str, bytes]) -> Iterator[tuple[str, bool, str]]:
    """Iterate over the sheets: name, whether it is visible, and its path in the archive."""
    book = next(path for path in parts if path.lower() == "xl/workbook.xml")
    relations = fromstring(parts[next((p for p in parts if p.lower() == "xl/_rels/workbook.xml.rels"), "")])
    targets = {relation.get("Id"): relation.get("Target", "") for relation in relations}
    for element in fromstring(parts[book]).iter():
        if _tag(element) == "sheet":
            key = next((value for key, value in element.attrib.items() if key.endswith("}id")), None)
            target = targets.get(key, "")
            path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            yield element.get("name", ""), element.get("state", "visible") == "visible", path


class _SheetScan:
    """One pass over the elements of a sheet.

    It uses expat directly, since building a tree takes ten times as long (measured); archive.members has refused
    document types before. Every cell position is checked, since python-calamine trusts them: it drops one of two rows
    or cells with the same position, moves a cell that names another row to that row, beside another learner's ids,
    and allocates memory for all cells between two distant ones, which can end the whole process.
    """

    def __init__(self, name: str, sheet: str) -> None:
        self._name, self._sheet = name, sheet
        self._row, self._column = 0, -1
        self._rows = self._cells = self._height = self._width = 0
        self._hidden, self._merged, self._formulas = set[int](), list[str](), set[tuple[int, int]]()

    def scan(self, xml: bytes, visible: bool) -> SheetFacts:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.Parse(xml, True)
        if self._height > MAX_ROWS + 100 or self._height * self._width > 50 * self._cells + 1_000_000:
            raise self._refused(
                f"it claims {self._height:,} rows of {self._width:,} columns but has {self._cells:,} cells.",
                "Copy the rows into a new workbook.",
            )
        formulas = frozenset(self._formulas)
        return SheetFacts(self._sheet, visible, frozenset(self._hidden), tuple(self._merged), formulas)

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        match tag.rpartition(" ")[2]:
            case "c":
                self._cell(attributes.get("r"))
            case "row":
                self._next_row(attributes.get("r"))
                if attributes.get("hidden", "0") in ("1", "true"):
                    self._hidden.add(self._row)
            case "f" if not tag.startswith(_EXTENSION):
                if self._column < 0:
                    raise self._out_of_order("a formula stands outside every cell")
                self._formulas.add((self._row, self._column))
                if len(self._formulas) > MAX_FORMULAS:
                    raise self._refused(
                        f"it has more than {MAX_FORMULAS:,} formulas.", "Copy the rows into a new workbook as values."
                    )
            case "mergeCell":
                self._merged.append(attributes.get("ref", ""))

    def _next_row(self, number: str | None) -> None:
        last = self._row
        if number and not (number.isascii() and number.isdigit()):
            raise self._out_of_order(f"row {number[:20]!r} is no number")
        self._row, self._column = int(number) if number else last + 1, -1
        if self._row <= last:
            raise self._out_of_order(f"row {self._row} comes after row {last}")
        self._rows += 1
        if self._rows > MAX_ROWS + 1:
            raise self._refused(f"it has more than {MAX_ROWS:,} rows.", "Split it.")

    def _cell(self, reference: str | None) -> None:
        last = self._column
        self._column += 1
        if reference:
            match = _CELL_REFERENCE.fullmatch(reference)
            if match is None:
                raise self._out_of_order(f"cell {reference[:20]!r} is no place")
            self._column = column_index(match[1])
            if int(match[2]) != self._row or self._column <= last:
                after = f" after column {column_letter(last)}" if last >= 0 else ""
                raise self._out_of_order(f"cell {reference} stands in row {self._row}{after}")
        self._height, self._width = self._row, max(self._width, self._column + 1)
        self._cells += 1
        if self._cells > MAX_CELLS:
            raise self._refused(f"it has more than {MAX_CELLS:,} cells.", "Leave out columns without ids, or split it.")

    def _out_of_order(self, problem: str) -> FileRefused:
        return self._refused(f"{problem}; the workbook is damaged.", "Open it, check the rows and save it again.")

    def _refused(self, problem: str, hint: str) -> FileRefused:
        return FileRefused(f"{self._name}, sheet {self._sheet!r}: {problem}", hint=hint)


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]
