"""What an .xlsx tells beside its values: hidden sheets and rows, merged cells, formulas, and where its cells stand.

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

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import column_letter
from bulkremove.reading.grid import MAX_CELLS, MAX_ROWS, column_of

MAX_FORMULAS = 500_000
MAX_TEXTS = 3_000_000
_PLACE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")


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
    if sum(part.count(b"<si") for path, part in parts.items() if path.lower() == "xl/sharedstrings.xml") > MAX_TEXTS:
        raise FileRefused(f"{name} holds more than {MAX_TEXTS:,} different texts.", hint="Split it.")
    lowered = {path.lower(): part for path, part in parts.items()}  # python-calamine finds them whatever their case
    try:
        return [_Walk(name, sheet).facts(lowered[path.lower()], visible) for sheet, visible, path in _sheets(parts)]
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


class _Walk:
    """One pass over a sheet's elements. expat itself, since a tree of them costs ten times as long (measured);
    document types were refused before.

    Each place is looked at, since python-calamine believes them all: of a row or cell that stands there twice it keeps
    one, and a person would be lost. A cell that names another row than its own is moved there, beside the ids of
    somebody else. And room is made for all that lies between two cells, or the whole process is taken down.
    """

    def __init__(self, name: str, sheet: str) -> None:
        self._name, self._sheet = name, sheet
        self._row, self._column = 0, -1
        self._rows = self._cells = self._height = self._width = 0
        self._hidden, self._merged, self._formulas = set[int](), list[str](), set[tuple[int, int]]()

    def facts(self, xml: bytes, visible: bool) -> SheetFacts:
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
            case "f":
                self._formulas.add((self._row, self._column))
                if len(self._formulas) > MAX_FORMULAS:
                    raise self._refused(
                        f"it has more than {MAX_FORMULAS:,} formulas.", "Copy the rows into a new workbook as values."
                    )
            case "mergeCell":
                self._merged.append(attributes.get("ref", ""))

    def _next_row(self, told: str | None) -> None:
        last = self._row
        if told and not (told.isascii() and told.isdigit()):
            raise self._out_of_order(f"row {told[:20]!r} is no number")
        self._row, self._column = int(told) if told else last + 1, -1
        if self._row <= last:
            raise self._out_of_order(f"row {self._row} comes after row {last}")
        self._rows += 1
        if self._rows > MAX_ROWS + 1:
            raise self._refused(f"it has more than {MAX_ROWS:,} rows.", "Split it.")

    def _cell(self, told: str | None) -> None:
        last = self._column
        self._column += 1
        if told:
            place = _PLACE.fullmatch(told)
            if place is None:
                raise self._out_of_order(f"cell {told[:20]!r} is no place")
            self._column = column_of(place[1])
            if int(place[2]) != self._row or self._column <= last:
                after = f" after column {column_letter(last)}" if last >= 0 else ""
                raise self._out_of_order(f"cell {told} stands in row {self._row}{after}")
        self._height, self._width = self._row, max(self._width, self._column + 1)
        self._cells += 1
        if self._cells > MAX_CELLS:
            raise self._refused(f"it has more than {MAX_CELLS:,} cells.", "Leave out what is no id, or split it.")

    def _out_of_order(self, what: str) -> FileRefused:
        return self._refused(f"{what}, as in no sound workbook.", "Open it, look at the rows and save it again.")

    def _refused(self, what: str, hint: str) -> FileRefused:
        return FileRefused(f"{self._name}, sheet {self._sheet!r}: {what}", hint=hint)


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]
