"""Read OpenDocument sheets: cell values, hidden and struck-through rows and merged cells from content.xml, in one pass.

The format is parsed here, not by a library, because its repeat counts can turn a few bytes into billions of cells; the
cells are counted before they are created.
"""

from __future__ import annotations

import io
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import lru_cache
from itertools import islice
from typing import Any
from xml.etree.ElementTree import Element, ParseError, iterparse

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import column_letter
from bulkremove.reading.grid import MAX_CELL_LENGTH, MAX_CELLS, MAX_ROWS, CellError, CellRange, Formula, Grid

_XLSX_COLUMNS = 16_384
"""Columns of the widest sheet that any program writes."""
_CALC_TYPE = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}value-type"
"""LibreOffice's own type of a cell; only this one tells errors."""
_ERROR_TEXT = re.compile(r"#(?:N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|SPILL!|CALC!)|Err:[0-9]{3}")
_RUN = "bulkremove-run-of-plain-rows"
_UTF8 = re.compile(
    rb"<\?xml version=[\"']1\.0[\"'] encoding=[\"'](?i:utf-8)[\"'](?: standalone=[\"'](?:yes|no)[\"'])? ?\?>"
)
_STYLE = rb' table:style-name="[\w.-]{0,99}"'
_PLAIN_ROW = re.compile(
    (
        rb"<table:table-row(?:STYLE)?>"
        rb'(?:<table:table-cell(?:STYLE| office:value-type="string"| calcext:value-type="string"){0,3}>'
        rb"<text:p>[^<>&\x00-\x1f]*</text:p></table:table-cell>)+"
        rb"(?:<table:table-cell(?:STYLE)?"
        rb'(?: table:number-columns-repeated="(?:[1-9]\d{0,3}|1[0-5]\d{3}|16[0-2]\d\d|163[0-7]\d|1638[0-4])")?'
        rb"(?:STYLE)?/>)?"
        b"</table:table-row>"
    ).replace(b"STYLE", _STYLE)
)
_STRUCK = re.compile(rb"text-(?:line-through-(?:style|type)|crossing-out)=[\"'](?!none)")
_MAX_PARENTS = 20
"""Styles that one style can be made from, one after the other."""
_NO_STYLES = b"<none/>"
_PLAIN_TEXT = re.compile(b"<text:p>([^<]*)<")


def read_ods(parts: Mapping[str, bytes], name: str) -> list[tuple[bool, Grid]]:
    """Read each sheet: whether it is visible, and its grid. Raises FileRefused."""
    hidden_styles, styles = set[str](), _Styles()
    sheets: list[tuple[bool, Grid]] = []
    sheet = _Sheet("", name, styles)
    visible = True
    style = ""
    tables = closed_groups = 0
    try:
        for _, element in iterparse(io.BytesIO(parts.get("styles.xml", _NO_STYLES))):  # noqa: S314 # nosec B314
            if _local(element.tag) == "style":
                styles.begin(element)
                for properties in element:
                    styles.add(properties)
        plain = not styles.may_strike and not _STRUCK.search(parts["content.xml"])
        content, runs = _cut_plain_rows(parts["content.xml"]) if plain else (parts["content.xml"], iter(()))
        # defusedxml's parser is far slower; archive.inflate_members has refused document types before.
        for event, element in iterparse(io.BytesIO(content), events=("start", "end")):  # noqa: S314 # nosec B314
            tag = _local(element.tag)
            if event == "start" and tag == "style":
                style = _get(element, "name")
                styles.begin(element)
            elif event == "end" and tag == "table-properties" and _get(element, "display") == "false":
                hidden_styles.add(style)
            elif event == "end" and tag == "text-properties":
                styles.add(element)
            elif event == "start" and tag == "table-column" and tables == 1:
                sheet.add_columns(_attributes(element))
            elif event == "start" and tag == "table-row-group":
                closed_groups += bool(closed_groups) or _get(element, "display") == "false"
            elif event == "end" and tag == "table-row-group":
                closed_groups -= bool(closed_groups)
            elif event == "start" and tag == "table":
                tables += 1
                if tables > 1:
                    raise FileRefused(f"{name} holds a table within a table.", hint="Save it as .xlsx or CSV.")
                sheet = _Sheet(_get(element, "name"), name, styles)
                visible = _get(element, "style-name") not in hidden_styles
            elif event == "end" and tag == "table-row":
                if not tables:
                    raise FileRefused(f"{name} holds rows outside a table.", hint="Save it as .xlsx or CSV.")
                sheet.add_row(element, hidden=bool(closed_groups))
                element.clear()
            elif event == "end" and tag == _RUN:
                if tables != 1:
                    raise FileRefused(f"{name} holds rows outside a table.", hint="Save it as .xlsx or CSV.")
                for row in next(runs):
                    sheet.add_cells(row, hidden=bool(closed_groups))
            elif event == "end" and tag == "table":
                tables -= 1
                sheets.append((visible, sheet.grid()))
    except (ParseError, LookupError, ValueError, RecursionError):
        raise FileRefused(f"{name} is damaged.", hint="Save it as .xlsx or CSV.") from None
    return sheets


def _cut_plain_rows(content: bytes) -> tuple[bytes, Iterator[list[list[str]]]]:
    """Replace each run of plain rows by one element ``_RUN``; return the content and the cells of each run's rows.

    A plain row has texts alone, and blank cells behind them. Reading it as XML takes twenty times as long (measured).
    """
    if (
        not _UTF8.match(content)
        or content.count(b"<?") > 1
        or any(special in content for special in (b"<!", b"\xef\xbf\xbe", b"\xef\xbf\xbf", _RUN.encode()))
    ):
        return content, iter(())
    runs: list[list[list[str]]] = []
    kept, last = list[bytes](), -1
    for match in islice(_PLAIN_ROW.finditer(content), MAX_ROWS):
        start, end = match.span()
        if start != last:
            kept += content[max(last, 0) : start], f"<table:{_RUN}/>".encode()
            runs.append([])
        runs[-1].append([text.decode() for text in _PLAIN_TEXT.findall(content, start, end)])
        last = end
    kept.append(content[max(last, 0) :])
    return b"".join(kept), iter(runs)


class _Styles:
    """The styles of cells and texts: which of them strike through."""

    def __init__(self) -> None:
        self._struck: dict[str, bool] = {}
        """By name, where a style says so itself."""
        self._parents: dict[str, str] = {}
        self._name = ""

    @property
    def may_strike(self) -> bool:
        """Whether any style strikes through, so that the styles of cells matter."""
        return any(self._struck.values())

    def begin(self, element: Element) -> None:
        """Begin a style; its properties follow."""
        self._name = _get(element, "name")
        self._parents[self._name] = _get(element, "parent-style-name")

    def add(self, properties: Element) -> None:
        """Add properties of the style that was begun last."""
        attributes = _attributes(properties)
        names = ("text-line-through-style", "text-line-through-type", "text-crossing-out")
        if values := [attributes[name] for name in names if name in attributes]:
            self._struck[self._name] = any(value != "none" for value in values)

    def is_struck(self, name: str) -> bool:
        """Whether the style of this name strikes through, by itself or by those that it is made from."""
        for _ in range(_MAX_PARENTS):
            if name in self._struck:
                return self._struck[name]
            name = self._parents.get(name, "")
        return False


class _Sheet:
    """Collects the rows of one sheet; repeated empty rows take no memory."""

    def __init__(self, title: str, name: str, styles: _Styles) -> None:
        self._title = title
        self._styles = styles
        self._column_styles: list[tuple[int, str]] = []
        """The default style of the cells, each with the number of columns up to the last that has it."""
        self._hidden_columns: set[int] = set()
        self._name = name
        self._next = 1
        self._rows: list[list[Any]] = []
        self._numbers: list[int] = []
        self._computed: list[CellRange] = []
        self._hidden: set[int] = set()
        self._merged: list[str] = []
        self._cells = 0

    def add_row(self, element: Element, *, hidden: bool = False) -> None:
        cells: list[object] = []
        is_struck = False
        blanks = 0
        """Blank cells that end the row until another cell follows."""
        for cell in element:
            if _local(cell.tag) not in ("table-cell", "covered-table-cell"):
                continue
            attributes = _attributes(cell)
            repeat = _repeats(attributes, "number-columns-repeated")
            value = _value(cell, attributes)
            column = len(cells) + blanks
            spans = [attributes.get(f"number-{of}-spanned", "1") for of in ("columns", "rows")]
            if spans != ["1", "1"]:
                self._merged.append(f"{column_letter(column)}{self._next}")
            if repeat > _XLSX_COLUMNS or column + repeat > MAX_CELLS:
                self._refuse()
            if "number-matrix-rows-spanned" in attributes or "number-matrix-columns-spanned" in attributes:
                height, width = (_repeats(attributes, f"number-matrix-{of}-spanned") for of in ("rows", "columns"))
                self._computed.append(CellRange(self._next, self._next + height - 1, column, column + width - 1))
            if value == "":
                blanks += repeat
            else:
                is_struck = is_struck or self._is_struck(cell, column)
                cells += [""] * blanks + [value] * repeat
                blanks = 0
        attributes = _attributes(element)
        is_struck = is_struck or self._styles.is_struck(attributes.get("default-cell-style-name", ""))
        is_hidden = hidden or is_struck or attributes.get("visibility", "visible") != "visible"
        self.add_cells(cells, repeat=_repeats(attributes, "number-rows-repeated"), hidden=is_hidden)

    def add_columns(self, attributes: Mapping[str, str]) -> None:
        """Add the next columns: their default style, and whether they are hidden."""
        first = self._column_styles[-1][0] if self._column_styles else 0
        last = first + _repeats(attributes, "number-columns-repeated")
        self._column_styles.append((last, attributes.get("default-cell-style-name", "")))
        if attributes.get("visibility", "visible") != "visible":
            self._hidden_columns.update(range(first, min(last, _XLSX_COLUMNS)))

    def _is_struck(self, cell: Element, column: int) -> bool:
        """Whether the cell in this column, or a part of its text, is struck through."""
        if not self._styles.may_strike:
            return False
        names = [_get(element, "style-name") for element in cell.iter()]
        if not names[0]:
            names[0] = next((style for last, style in self._column_styles if column < last), "")
        return any(map(self._styles.is_struck, names))

    def add_cells(self, cells: list[Any], *, repeat: int = 1, hidden: bool = False) -> None:
        """Add ``repeat`` rows of these cells; blank ones are dropped from their end, in place."""
        while cells and cells[-1] == "":
            cells.pop()
        if cells:
            self._cells += repeat * len(cells)
            if self._cells > MAX_CELLS or len(self._rows) + repeat > MAX_ROWS + 1:
                self._refuse()
            for number in range(self._next, self._next + repeat):
                self._rows.append(cells)
                self._numbers.append(number)
                if hidden:
                    self._hidden.add(number)
        self._next += repeat

    def grid(self) -> Grid:
        width = max((len(cells) for cells in self._rows), default=0)
        if width * len(self._rows) > MAX_CELLS:
            self._refuse()
        columns: list[list[object]] = [
            [cells[i] if i < len(cells) else "" for cells in self._rows] for i in range(width)
        ]
        self._mark_computed(columns)
        return Grid(
            "ods",
            self._numbers,
            columns,
            self._title,
            frozenset(self._hidden),
            tuple(self._merged),
            hidden_columns=frozenset(self._hidden_columns),
        )

    def _mark_computed(self, columns: list[list[object]]) -> None:
        """Mark the results of array formulas as formulas, in place."""
        marked = 0
        for top, bottom, left, right in self._computed:
            rows = range(bisect_left(self._numbers, top), bisect_right(self._numbers, bottom))
            marked += len(rows) * max(0, min(right + 1, len(columns)) - left)
            if marked > MAX_CELLS:
                self._refuse()
            for cells in columns[left : right + 1]:
                for index in rows:
                    if cells[index] != "" and not isinstance(cells[index], Formula):
                        cells[index] = Formula(cells[index])

    def _refuse(self) -> None:
        raise FileRefused(
            f"{self._name}, sheet {self._title!r}: it has more rows or cells than a list of people needs.",
            hint="Copy the rows into a new workbook.",
        )


def _value(cell: Element, attributes: Mapping[str, str]) -> object:
    kind = attributes.get("value-type", "")
    paragraphs = "\n".join(_text(p) for p in cell if _local(p.tag) == "p") if len(cell) else ""
    text = attributes.get("string-value", paragraphs)
    value: object = text
    is_text = kind == "string" and text != ""
    if attributes.get(_CALC_TYPE) == "error" or (not is_text and _ERROR_TEXT.fullmatch(paragraphs)):
        value = CellError(paragraphs or text or "an error")
    elif kind in ("float", "percentage", "currency"):
        number = attributes.get("value", "")
        if "_" in number:  # float() would accept it, the format does not
            raise ValueError(number)
        value = float(number)
    elif kind == "boolean":
        value = attributes.get("boolean-value") == "true"
    elif kind == "date":
        iso = attributes.get("date-value", "")
        value = datetime.fromisoformat(iso) if "T" in iso else date.fromisoformat(iso)
    return Formula(value) if attributes.get("formula") else value


def _text(element: Element) -> str:
    """The displayed text of a paragraph; elements for spaces, tabs and line breaks become those characters."""
    pieces = [element.text or ""]
    for child in element:
        match _local(child.tag):
            case "s":
                pieces.append(" " * min(_repeats(_attributes(child), "c"), MAX_CELL_LENGTH + 1))
            case "tab":
                pieces.append("\t")
            case "line-break":
                pieces.append("\n")
            case "a" | "span":
                pieces.append(_text(child))
            case _:  # a note, field or ruby may not belong to the text: U+FFFD keeps it from passing as an id
                pieces.append(f"\ufffd{_text(child)}")
        pieces.append(child.tail or "")
    return "".join(pieces)


def _repeats(attributes: Mapping[str, str], name: str) -> int:
    """Return a repeat count of 1 or more. Raises ValueError otherwise: 0 would shift all later cells."""
    count = attributes.get(name, "1")
    if not (count.isascii() and count.isdigit() and int(count)):
        raise ValueError(count)
    return int(count)


def _attributes(element: Element) -> dict[str, str]:
    """Return the attributes by their local names, in any namespace but that of ``_CALC_TYPE``."""
    return {key if key == _CALC_TYPE else _local(key): value for key, value in element.attrib.items()}


def _get(element: Element, name: str, default: str = "") -> str:
    """Return the attribute with that local name, in any namespace."""
    return _attributes(element).get(name, default)


@lru_cache(maxsize=1000)
def _local(name: str) -> str:
    """Return the local part of a name with its namespace."""
    return name.rpartition("}")[2]
