"""Read OpenDocument sheets: cell values, hidden rows and merged cells from content.xml, in one pass.

The format is parsed here, not by a library, because its repeat counts can turn a few bytes into billions of cells; the
cells are counted before they are created.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date, datetime
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import column_letter
from bulkremove.reading.grid import MAX_CELL_LENGTH, MAX_CELLS, MAX_ROWS, Formula, Grid

_XLSX_COLUMNS = 16_384
"""Columns of the widest sheet that any program writes."""


def read_ods(parts: Mapping[str, bytes], name: str) -> list[tuple[bool, Grid]]:
    """Read each sheet: whether it is visible, and its grid. Raises FileRefused."""
    hidden_styles: set[str] = set()
    sheets: list[tuple[bool, Grid]] = []
    sheet = _Sheet("", name)
    visible = True
    style = ""
    tables = closed_groups = 0
    try:
        for event, element in iterparse(io.BytesIO(parts["content.xml"]), events=("start", "end")):
            tag = element.tag.rpartition("}")[2]
            if event == "start" and tag == "style":
                style = _get(element, "name")
            elif event == "end" and tag == "table-properties" and _get(element, "display") == "false":
                hidden_styles.add(style)
            elif event == "start" and tag == "table-row-group":
                closed_groups += bool(closed_groups) or _get(element, "display") == "false"
            elif event == "end" and tag == "table-row-group":
                closed_groups -= bool(closed_groups)
            elif event == "start" and tag == "table":
                tables += 1
                if tables > 1:
                    raise FileRefused(f"{name} holds a table within a table.", hint="Save it as .xlsx or CSV.")
                sheet = _Sheet(_get(element, "name"), name)
                visible = _get(element, "style-name") not in hidden_styles
            elif event == "end" and tag == "table-row":
                if not tables:
                    raise FileRefused(f"{name} holds rows outside a table.", hint="Save it as .xlsx or CSV.")
                sheet.add_row(element, hidden=bool(closed_groups))
                element.clear()
            elif event == "end" and tag == "table":
                tables -= 1
                sheets.append((visible, sheet.grid()))
    except (ParseError, DefusedXmlException, LookupError, ValueError, RecursionError) as error:
        raise FileRefused(f"{name} is damaged ({type(error).__name__}).", hint="Save it as .xlsx or CSV.") from None
    return sheets


class _Sheet:
    """Collects the rows of one sheet; repeated empty rows take no memory."""

    def __init__(self, title: str, name: str) -> None:
        self._title = title
        self._name = name
        self._next = 1
        self._rows: list[tuple[int, list[object]]] = []
        self._hidden: set[int] = set()
        self._merged: list[str] = []
        self._cells = 0

    def add_row(self, element: Element, *, hidden: bool = False) -> None:
        cells: list[object] = []
        for cell in element:
            if cell.tag.rpartition("}")[2] not in ("table-cell", "covered-table-cell"):
                continue
            repeat = _repeats(cell, "number-columns-repeated")
            value = _value(cell)
            if _get(cell, "number-columns-spanned", "1") != "1" or _get(cell, "number-rows-spanned", "1") != "1":
                self._merged.append(f"{column_letter(len(cells))}{self._next}")
            if repeat > _XLSX_COLUMNS or len(cells) + repeat > MAX_CELLS:
                self._refuse()
            cells += [value] * repeat
        while cells and cells[-1] == "":
            cells.pop()
        repeat = _repeats(element, "number-rows-repeated")
        if cells:
            self._cells += repeat * len(cells)
            if self._cells > MAX_CELLS or len(self._rows) + repeat > MAX_ROWS + 1:
                self._refuse()
            hidden = hidden or _get(element, "visibility", "visible") != "visible"
            for number in range(self._next, self._next + repeat):
                self._rows.append((number, cells))
                if hidden:
                    self._hidden.add(number)
        self._next += repeat

    def grid(self) -> Grid:
        width = max((len(cells) for _, cells in self._rows), default=0)
        if width * len(self._rows) > MAX_CELLS:
            self._refuse()
        columns: list[list[object]] = [
            [cells[i] if i < len(cells) else "" for _, cells in self._rows] for i in range(width)
        ]
        numbers = [number for number, _ in self._rows]
        return Grid("ods", numbers, columns, self._title, frozenset(self._hidden), tuple(self._merged))

    def _refuse(self) -> None:
        raise FileRefused(
            f"{self._name}, sheet {self._title!r}: it has more rows or cells than a list of people needs.",
            hint="Copy the rows into a new workbook.",
        )


def _value(cell: Element) -> object:
    kind = _get(cell, "value-type")
    paragraphs = "\n".join(_text(p) for p in cell if p.tag.rpartition("}")[2] == "p")
    text = _get(cell, "string-value", paragraphs)
    value: object = text
    if kind in ("float", "percentage", "currency"):
        number = _get(cell, "value")
        if "_" in number:  # float() would accept it, the format does not
            raise ValueError(number)
        value = float(number)
    elif kind == "boolean":
        value = _get(cell, "boolean-value") == "true"
    elif kind == "date":
        iso = _get(cell, "date-value")
        value = datetime.fromisoformat(iso) if "T" in iso else date.fromisoformat(iso)
    return Formula(value) if _get(cell, "formula") else value


def _text(element: Element) -> str:
    """The displayed text of a paragraph; elements for spaces, tabs and line breaks become those characters."""
    pieces = [element.text or ""]
    for child in element:
        match child.tag.rpartition("}")[2]:
            case "s":
                pieces.append(" " * min(_repeats(child, "c"), MAX_CELL_LENGTH + 1))
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


def _repeats(element: Element, name: str) -> int:
    """Return a repeat count of 1 or more. Raises ValueError otherwise: 0 would shift all later cells."""
    count = _get(element, name, "1")
    if not (count.isascii() and count.isdigit() and int(count)):
        raise ValueError(count)
    return int(count)


def _get(element: Element, name: str, default: str = "") -> str:
    """Return the attribute with that local name, in any namespace."""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), default)
