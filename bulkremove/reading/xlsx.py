"""What an .xlsx tells beside its values: hidden sheets and rows, merged cells, formulas, and how large it really is.

python-calamine reads values quickly and tells none of this; the sheet's XML does.
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

from bulkremove.errors import FileRefused
from bulkremove.reading.grid import MOST_CELLS, MOST_ROWS, column_of

MOST_FORMULAS = 500_000
MOST_TEXTS = 3_000_000
_REMARKABLE = (b"hidden", b"mergeCell")
"""What stands in a sheet that has hidden rows or merged cells; looked for as bytes, which is quick."""
_FORMULA = re.compile(rb"[<:]f[\s/>]")
_CELL = re.compile(rb'<(?:\w+:)?c\s(?:[^>]*?\s)?r="([A-Za-z]{1,7})([0-9]{1,9})"')
_PLACE = re.compile(
    rb'<(?:\w+:)?(?:row(?=[\s/>])(?:[^>]*?\sr\s*=\s*"([0-9]{1,9})")?|'
    rb'c\s(?:[^>]*?\s)?r\s*=\s*"([A-Za-z]{1,7})([0-9]{1,9})")'
)
"""A row with its number, if it tells one, or a cell with its column and row."""
_FAR = re.compile(rb'r="(?:[A-Za-z]{2,7}[0-9]+|[A-Za-z][0-9]{7,})"')


@dataclass(frozen=True, slots=True)
class SheetFacts:
    """One sheet: its name, whether it is shown, its part in the archive, and what a scan of that found."""

    name: str
    visible: bool
    hidden_rows: frozenset[int] = frozenset()
    merged: tuple[str, ...] = ()
    formulas: frozenset[tuple[int, int]] = frozenset()
    """(row number from 1, column from 0)."""


def facts(parts: Mapping[str, bytes], name: str) -> list[SheetFacts]:
    """Every worksheet in the book's order. Raises FileRefused."""
    if sum(part.count(b"<si") for path, part in parts.items() if path.lower() == "xl/sharedstrings.xml") > MOST_TEXTS:
        raise FileRefused(f"{name} holds more than {MOST_TEXTS:,} different texts.", hint="Split it.")
    lowered = {path.lower(): part for path, part in parts.items()}  # python-calamine finds them whatever their case
    try:
        return [_scan(sheet, visible, lowered[path.lower()], name) for sheet, visible, path in _sheets(parts)]
    except (ParseError, expat.ExpatError, DefusedXmlException, LookupError, ValueError) as error:
        raise FileRefused(f"{name} is damaged ({type(error).__name__}).", hint="Export it again.") from None


def _sheets(parts: Mapping[str, bytes]) -> Iterator[tuple[str, bool, str]]:
    book = next(path for path in parts if path.lower() == "xl/workbook.xml")
    relations = fromstring(parts[next(p for p in parts if p.lower() == "xl/_rels/workbook.xml.rels")])
    targets = {one.get("Id"): one.get("Target", "") for one in relations}
    for element in fromstring(parts[book]).iter():
        if _tag(element) == "sheet":
            key = next((value for key, value in element.attrib.items() if key.endswith("}id")), None)
            target = targets.get(key, "")
            path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            yield element.get("name", ""), element.get("state", "visible") == "visible", path


def _check_counts(sheet: str, xml: bytes, name: str) -> None:
    """Before anything is made of it: rows and cells that would not fit into memory."""
    if xml.count(b"<row") > MOST_ROWS + 1:
        raise FileRefused(f"{name}, sheet {sheet!r} has more than {MOST_ROWS:,} rows.", hint="Split it.")
    cells = xml.count(b"<c") - xml.count(b"<col")
    if cells > MOST_CELLS:
        raise FileRefused(
            f"{name}, sheet {sheet!r} has more than {MOST_CELLS:,} cells.", hint="Leave out what is no id, or split it."
        )


def _check_order(sheet: str, xml: bytes, name: str) -> None:
    """Of a row or cell that stands there twice python-calamine keeps one, and a person would be lost; a cell that names
    another row than its own would be moved there, beside the ids of somebody else.
    """
    row, column = 0, (0, b"")
    for own, letters, cells_row in _PLACE.findall(xml):
        if not letters:
            last, row, column = row, int(own or row + 1), (0, b"")
            if row <= last:
                raise _out_of_order(f"row {row} comes after row {last}", sheet, name)
        else:
            before, column = column, (len(letters), letters.upper())
            if int(cells_row) != row or column <= before:
                after = f" after column {before[1].decode()}" if before[0] else ""
                place = f"{letters.decode()}{cells_row.decode()}"
                raise _out_of_order(f"cell {place} stands in row {row}{after}", sheet, name)


def _out_of_order(what: str, sheet: str, name: str) -> FileRefused:
    return FileRefused(
        f"{name}, sheet {sheet!r}: {what}, as in no sound workbook.",
        hint="Open it, look at the rows and save it again.",
    )


def _scan(sheet: str, visible: bool, xml: bytes, name: str) -> SheetFacts:
    if b"'" in xml and b"r='" in xml:  # one byte is found, or not, at many times the speed of three
        xml = xml.replace(b"'", b'"')
    _check_counts(sheet, xml, name)
    if _FAR.search(xml):
        cells = _CELL.findall(xml)
        rows = max((int(row) for _, row in cells), default=0)
        width = max((column_of(column.decode()) + 1 for column, _ in cells), default=0)
        if rows > MOST_ROWS + 100 or width > 16_384 or rows * width > 50 * len(cells) + 1_000_000:
            raise FileRefused(
                f"{name}, sheet {sheet!r}: it claims {rows:,} rows of {width:,} columns but has {len(cells):,} cells.",
                hint="Copy the rows into a new workbook.",
            )
    _check_order(sheet, xml, name)
    formula = (b"<f" in xml or b":f" in xml) and _FORMULA.search(xml)
    if not formula and not any(sign in xml for sign in _REMARKABLE):
        return SheetFacts(sheet, visible)
    return _Walk(name, sheet).facts(xml, visible)


class _Walk:
    """One pass over a sheet's elements. expat itself, since a tree of them costs ten times as long (measured);
    document types were refused before.
    """

    def __init__(self, name: str, sheet: str) -> None:
        self._name, self._sheet = name, sheet
        self._row = self._column = 0
        self._hidden, self._merged, self._formulas = set[int](), list[str](), set[tuple[int, int]]()

    def facts(self, xml: bytes, visible: bool) -> SheetFacts:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.Parse(xml, True)
        formulas = frozenset(self._formulas)
        return SheetFacts(self._sheet, visible, frozenset(self._hidden), tuple(self._merged), formulas)

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        match tag.rpartition(" ")[2]:
            case "c":
                place = attributes.get("r", "").rstrip("0123456789")
                self._column = column_of(place) if place.isalpha() else self._column + 1
            case "row":
                self._row, self._column = int(attributes.get("r", self._row + 1)), -1
                if attributes.get("hidden", "0") in ("1", "true"):
                    self._hidden.add(self._row)
            case "f":
                self._formulas.add((self._row, self._column))
                if len(self._formulas) > MOST_FORMULAS:
                    raise FileRefused(
                        f"{self._name}, sheet {self._sheet!r} has more than {MOST_FORMULAS:,} formulas.",
                        hint="Copy the rows into a new workbook as values.",
                    )
            case "mergeCell":
                self._merged.append(attributes.get("ref", ""))


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]
