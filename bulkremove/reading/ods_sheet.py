"""Collect the rows of a sheet of an .ods; its cells are counted before they are created."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import column_letter
from bulkremove.reading.grid import MAX_CELLS, MAX_ROWS, CellRange, Grid, mark_array_formulas
from bulkremove.reading.ods_cells import value_of
from bulkremove.reading.ods_styles import Styles
from bulkremove.reading.ods_xml import attributes_of, get_attribute, local_name, repeats

_XLSX_COLUMNS = 16_384
"""Columns of the widest sheet that any program writes."""


class Sheet:
    """Collects the rows of one sheet; repeated empty rows take no memory."""

    def __init__(self, title: str, name: str, styles: Styles) -> None:
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
        """Add the rows of one element. Raises FileRefused for too many rows or cells, ValueError for a damaged one."""
        cells: list[object] = []
        is_struck = has_comment = False
        blanks = 0
        """Blank cells that end the row until another cell follows."""
        for cell in element:
            if local_name(cell.tag) not in ("table-cell", "covered-table-cell"):
                continue
            attributes = attributes_of(cell)
            repeat = repeats(attributes, "number-columns-repeated")
            value = value_of(cell, attributes, self._styles)
            column = len(cells) + blanks
            spans = [attributes.get(f"number-{of}-spanned", "1") for of in ("columns", "rows")]
            if spans != ["1", "1"]:
                self._merged.append(f"{column_letter(column)}{self._next}")
            if repeat > _XLSX_COLUMNS or column + repeat > MAX_CELLS:
                self._refuse()
            if "number-matrix-rows-spanned" in attributes or "number-matrix-columns-spanned" in attributes:
                height, width = (repeats(attributes, f"number-matrix-{of}-spanned") for of in ("rows", "columns"))
                self._computed.append(CellRange(self._next, self._next + height - 1, column, column + width - 1))
            has_comment = has_comment or any(local_name(part.tag) == "annotation" for part in cell)
            if value == "":
                blanks += repeat
            else:
                is_struck = is_struck or self._is_struck(cell, column)
                cells += [""] * blanks + [value] * repeat
                blanks = 0
        attributes = attributes_of(element)
        is_struck = is_struck or self._styles.is_struck(attributes.get("default-cell-style-name", ""))
        is_hidden = hidden or is_struck or has_comment or attributes.get("visibility", "visible") != "visible"
        self.add_cells(cells, repeat=repeats(attributes, "number-rows-repeated"), hidden=is_hidden)

    def add_columns(self, attributes: Mapping[str, str]) -> None:
        """Add the next columns: their default style, and whether they are hidden."""
        first = self._column_styles[-1][0] if self._column_styles else 0
        last = first + repeats(attributes, "number-columns-repeated")
        self._column_styles.append((last, attributes.get("default-cell-style-name", "")))
        if attributes.get("visibility", "visible") != "visible":
            self._hidden_columns.update(range(first, min(last, _XLSX_COLUMNS)))

    def _is_struck(self, cell: Element, column: int) -> bool:
        """Whether the cell in this column, or a part of its text, is struck through."""
        if not self._styles.may_strike:
            return False
        names = [get_attribute(element, "style-name") for element in cell.iter()]
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
        """Return all rows that hold a value. Raises FileRefused for too many cells."""
        width = max((len(cells) for cells in self._rows), default=0)
        if width * len(self._rows) > MAX_CELLS:
            self._refuse()
        columns: list[list[object]] = [
            [cells[i] if i < len(cells) else "" for cells in self._rows] for i in range(width)
        ]
        if not mark_array_formulas(columns, self._numbers, self._computed):
            self._refuse()
        return Grid(
            "ods",
            self._numbers,
            columns,
            self._title,
            frozenset(self._hidden),
            tuple(self._merged),
            hidden_columns=frozenset(self._hidden_columns),
        )

    def _refuse(self) -> None:
        raise FileRefused(
            f"{self._name}, sheet {self._title!r}: it has more rows or cells than a list of people needs.",
            hint="Copy the rows into a new workbook.",
        )
