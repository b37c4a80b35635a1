"""Scan the XML of an .xlsx file for hidden sheets and rows, merged cells, formulas and errors, and check its positions.

python-calamine reads the values quickly, but reports none of this. The scan also counts the rows with values, so that
none can be lost unseen.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element, ParseError
from xml.parsers import expat

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import column_letter
from bulkremove.reading.grid import MAX_CELLS, MAX_ROWS, CellRange, column_index
from bulkremove.reading.sheet_facts import SheetFacts, parse_range

MAX_FORMULAS = 500_000
MAX_TEXTS = 3_000_000
_COLUMNS = 16_384
"""Columns of the widest sheet."""
_EXTENSION = "http://schemas.microsoft.com/office/excel/2006/main "
"""The namespace of formulas that belong to sparklines and rules, behind all rows."""
_TEXTS, _STYLES = "xl/sharedstrings.xml", "xl/styles.xml"
_EMPTY_TEXT = re.compile(rb"<(?:\w+:)?(?:t|si)\b[^<>]*(?:/>|>\s*(?:</|&#))")
"""An element of a shared text that may hold no letter."""
_CELL_REFERENCE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")


def facts(parts: Mapping[str, bytes], name: str) -> list[SheetFacts]:
    """Scan every worksheet, in the order of the workbook. Raises FileRefused."""
    lowered = {path.lower(): part for path, part in parts.items()}  # python-calamine ignores their case
    texts = lowered.get(_TEXTS, b"")
    if texts.count(b"<si") > MAX_TEXTS:
        raise FileRefused(f"{name} holds more than {MAX_TEXTS:,} different texts.", hint="Split it.")
    sheets = []
    try:
        blank_texts, struck_texts = _blank_texts(texts), _struck_texts(texts)
        struck_styles = _struck_styles(lowered.get(_STYLES, b""))
        for sheet, visible, path in _sheets(parts):
            scan = _SheetScan(name, sheet, blank_texts, struck_texts, struck_styles)
            sheets.append(scan.scan(lowered[path.lower()], visible, _totals(lowered, path.lower())))
    except (ParseError, expat.ExpatError, DefusedXmlException, LookupError, ValueError):
        raise FileRefused(f"{name} is damaged.", hint="Export it again.") from None
    return sheets


def _blank_texts(xml: bytes) -> frozenset[int]:
    """Return the indexes of the shared texts that hold no letter. Reads them only when one may be empty."""
    if not _EMPTY_TEXT.search(xml):
        return frozenset()
    filled: list[bool] = []

    def start(tag: str, _attributes: Mapping[str, str]) -> None:
        if tag.rpartition(" ")[2] == "si":
            filled.append(False)

    def characters(data: str) -> None:
        if data.strip():
            filled[-1] = True

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.CharacterDataHandler = start, characters
    parser.Parse(xml, True)
    return frozenset(index for index, has_text in enumerate(filled) if not has_text)


def _is_on(attributes: Mapping[str, str]) -> bool:
    """Whether an element for a property of a font is not switched off."""
    return attributes.get("val", "1") not in ("0", "false")


def _struck_texts(xml: bytes) -> frozenset[int]:
    """Return the indexes of the shared texts of which a part is struck through."""
    if b"strike" not in xml:
        return frozenset()
    struck: set[int] = set()
    count = 0

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        nonlocal count
        name = tag.rpartition(" ")[2]
        count += name == "si"
        if name == "strike" and _is_on(attributes):
            struck.add(count - 1)

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    parser.Parse(xml, True)
    return frozenset(struck)


def _struck_styles(xml: bytes) -> frozenset[str]:
    """Return the indexes, as cells name them, of the formats whose font is struck through."""
    struck: list[bool] = []
    """By font."""
    fonts: list[int] = []
    """By format: its font."""
    path: list[str] = []

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        path.append(tag.rpartition(" ")[2])
        match path[1:]:
            case ["fonts", "font"]:
                struck.append(False)
            case ["fonts", "font", "strike"]:
                struck[-1] = _is_on(attributes)
            case ["cellXfs", "xf"]:
                fonts.append(int(attributes.get("fontId", "0")))

    if b"strike" not in xml:
        return frozenset()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = start, lambda _tag: path.pop()
    parser.Parse(xml, True)
    return frozenset(str(index) for index, font in enumerate(fonts) if font < len(struck) and struck[font])


def _totals(parts: Mapping[str, bytes], sheet: str) -> tuple[CellRange, ...]:
    """Return the totals rows of the Excel tables on the sheet at the path ``sheet``; all paths in lower case."""
    folder, _, file = sheet.rpartition("/")
    totals = []
    for relation in _elements(parts.get(f"{folder}/_rels/{file}.rels", b""), "Relationship"):
        if not relation.get("Type", "").endswith("/table"):
            continue
        target = relation.get("Target", "").lower()
        path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"{folder}/{target}")
        for table in _elements(parts.get(path, b""), "table"):
            if count := int(table.get("totalsRowCount", "0")):
                extent = parse_range(table.get("ref", ""))
                totals.append(extent._replace(top=extent.bottom - count + 1))
    return tuple(totals)


def _elements(xml: bytes, name: str) -> list[dict[str, str]]:
    """Return the attributes of each element of that local name, in a small part of the archive."""
    found: list[dict[str, str]] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag.rpartition(" ")[2] == name:
            found.append(attributes)

    if xml:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = start
        parser.Parse(xml, True)
    return found


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

    def __init__(
        self,
        name: str,
        sheet: str,
        blank_texts: frozenset[int],
        struck_texts: frozenset[int],
        struck_styles: frozenset[str],
    ) -> None:
        self._name, self._sheet, self._blank_texts = name, sheet, blank_texts
        self._struck_texts, self._struck_styles = struck_texts, struck_styles
        self._row, self._column, self._kind = 0, -1, ""
        self._in_value = self._lacks_result = self._is_struck = False
        self._rows = self._cells = self._height = self._width = self._filled_width = 0
        self._filled = bytearray()
        self._hidden, self._merged, self._formulas = set[int](), list[str](), set[tuple[int, int]]()
        self._computed, self._errors = list[CellRange](), dict[tuple[int, int], str]()
        self._hidden_columns = set[int]()

    def scan(self, xml: bytes, visible: bool, totals: tuple[CellRange, ...]) -> SheetFacts:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True  # a value in one piece, so that the index of a shared text is never cut
        parser.StartElementHandler, parser.CharacterDataHandler = self._start, self._characters
        parser.Parse(xml, True)
        self._end_cell()
        self._check_extent()
        return SheetFacts(
            self._sheet,
            visible,
            frozenset(self._hidden),
            tuple(self._merged),
            frozenset(self._formulas),
            tuple(self._computed),
            self._errors,
            totals,
            frozenset(self._hidden_columns),
            bytes(self._filled),
            self._filled_width,
        )

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._in_value = False
        match tag.rpartition(" ")[2]:
            case "c":
                self._end_cell()
                self._cell(attributes.get("r"))
                self._kind = attributes.get("t", "")
                self._is_struck = bool(self._struck_styles) and attributes.get("s", "0") in self._struck_styles
            case "v" | "t" if self._column >= 0:
                self._in_value, self._lacks_result = True, False
                self._height, self._width = self._row, max(self._width, self._column + 1)
            case "row":
                self._end_cell()
                self._next_row(attributes.get("r"))
                height = attributes.get("ht", "")
                if attributes.get("hidden", "0") in ("1", "true") or (height and not height.strip("0.")):
                    self._hidden.add(self._row)
            case "f" if not tag.startswith(_EXTENSION):
                self._formula(attributes)
            case "strike" if self._column >= 0 and _is_on(attributes):  # of a text within the cell
                self._hidden.add(self._row)
            case "col" if attributes.get("hidden", "0") in ("1", "true"):
                first, last = int(attributes.get("min", "1")), min(int(attributes.get("max", "1")), _COLUMNS)
                self._hidden_columns.update(range(first - 1, last))
            case "mergeCell":
                self._merged.append(attributes.get("ref", ""))

    def _characters(self, data: str) -> None:
        if not self._in_value or not data.strip():
            return
        if self._kind == "s" and self._blank_texts and int(data) in self._blank_texts:
            return
        if self._kind == "s" and self._struck_texts and int(data) in self._struck_texts:
            self._hidden.add(self._row)
        if self._kind == "e":
            cell = self._row, self._column
            self._errors[cell] = self._errors.get(cell, "") + data.strip()
            self._check_number_of_formulas()
        self._fill()

    def _fill(self) -> None:
        """Note that the current row has a value in the current cell."""
        missing = self._row - len(self._filled)
        if missing > 0:
            if self._row > MAX_ROWS + 100:
                self._check_extent()
            self._filled += bytes(missing)
        self._filled[self._row - 1] = 1
        if self._is_struck:
            self._hidden.add(self._row)
        self._filled_width = max(self._filled_width, self._column + 1)

    def _end_cell(self) -> None:
        if self._lacks_result:  # no program has computed it yet: the row is not blank
            self._lacks_result = False
            self._height, self._width = self._row, max(self._width, self._column + 1)
            self._fill()

    def _check_extent(self) -> None:
        if self._height > MAX_ROWS + 100 or self._height * self._width > 50 * self._cells + 1_000_000:
            raise self._refused(
                f"it claims {self._height:,} rows of {self._width:,} columns but has {self._cells:,} cells.",
                "Copy the rows into a new workbook.",
            )

    def _formula(self, attributes: Mapping[str, str]) -> None:
        if self._column < 0:
            raise self._out_of_order("a formula stands outside every cell")
        self._formulas.add((self._row, self._column))
        self._lacks_result = True
        if attributes.get("t") in ("array", "dataTable") and "ref" in attributes:
            self._computed.append(parse_range(attributes["ref"]))
        self._check_number_of_formulas()

    def _check_number_of_formulas(self) -> None:
        if len(self._formulas) + len(self._errors) > MAX_FORMULAS:
            raise self._refused(
                f"it has more than {MAX_FORMULAS:,} formulas or error values.",
                "Copy the rows into a new workbook as values.",
            )

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
        self._cells += 1
        if self._cells > MAX_CELLS:
            raise self._refused(f"it has more than {MAX_CELLS:,} cells.", "Leave out columns without ids, or split it.")

    def _out_of_order(self, problem: str) -> FileRefused:
        return self._refused(f"{problem}; the workbook is damaged.", "Open it, check the rows and save it again.")

    def _refused(self, problem: str, hint: str) -> FileRefused:
        return FileRefused(f"{self._name}, sheet {self._sheet!r}: {problem}", hint=hint)


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]
