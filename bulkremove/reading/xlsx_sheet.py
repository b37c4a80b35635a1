"""Scan a sheet of an .xlsx file for hidden and struck-through rows, formulas and errors, and check its positions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.table import column_letter
from bulkremove.reading.grid import MAX_CELLS, MAX_ROWS, column_index
from bulkremove.reading.sheet_facts import SheetFacts, parse_range
from bulkremove.reading.xlsx_xml import is_on, is_raised, parse

MAX_FORMULAS = 500_000
_COLUMNS = 16_384
"""Columns of the widest sheet."""
_EXTENSION = "http://schemas.microsoft.com/office/excel/2006/main "
"""The namespace of formulas that belong to sparklines and rules, behind all rows."""
_VISIBLE = 1.0
"""Points of height, or letters of width, below which nothing can be read."""
_CELL_REFERENCE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")


class SheetScan:
    """One pass over the elements of a sheet.

    Every cell position is checked, since python-calamine trusts them: it drops one of two rows or cells with the same
    position, moves a cell that names another row to that row, beside another learner's ids, and allocates memory for
    all cells between two distant ones, which can end the whole process.
    """

    def __init__(
        self,
        name: str,
        facts: SheetFacts,
        blank_texts: frozenset[int],
        struck_texts: frozenset[int],
        raised_texts: frozenset[int],
        struck_styles: frozenset[str],
    ) -> None:
        self._name, self._facts, self._blank_texts = name, facts, blank_texts
        self._struck_texts, self._struck_styles, self._raised_texts = struck_texts, struck_styles, raised_texts
        self._row, self._column, self._kind = 0, -1, ""
        self._in_value = self._has_value = self._lacks_result = self._is_struck = False
        self._rows = self._cells = self._height = self._width = 0

    def scan(self, xml: bytes) -> None:
        """Add what the sheet holds to its facts. Raises FileRefused, ExpatError or ValueError."""
        parse(xml, self._start, characters=self._characters)
        self._end_cell()
        self._check_extent()

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._in_value = False
        match tag.rpartition(" ")[2]:
            case "c":
                self._end_cell()
                self._cell(attributes.get("r"))
                self._has_value = False
                self._kind = attributes.get("t", "")
                self._is_struck = bool(self._struck_styles) and attributes.get("s", "0") in self._struck_styles
            case "v" | "is" if self._column >= 0 and self._has_value:
                raise self._out_of_order(f"cell {column_letter(self._column)}{self._row} holds two values")
            case "is":
                self._has_value = True
            case "v" | "t" if self._column >= 0:
                self._in_value, self._has_value = True, True
                self._height, self._width = self._row, max(self._width, self._column + 1)
            case "row":
                self._end_cell()
                self._next_row(attributes.get("r"))
                if _is_hidden(attributes, "ht"):
                    self._facts.hidden_rows.add(self._row)
            case "f" if not tag.startswith(_EXTENSION):
                self._formula(attributes)
            case "strike" if self._column >= 0 and is_on(attributes):  # of a text within the cell
                self._facts.hidden_rows.add(self._row)
            case "vertAlign" if self._column >= 0 and is_raised(attributes):
                self._facts.raised.add((self._row, self._column))
            case "col" if _is_hidden(attributes, "width"):
                first, last = int(attributes.get("min", "1")), min(int(attributes.get("max", "1")), _COLUMNS)
                self._facts.hidden_columns.update(range(first - 1, last))
            case "mergeCell":
                self._facts.merged.append(attributes.get("ref", ""))

    def _characters(self, data: str) -> None:
        if not self._in_value or not data.strip():
            return
        self._lacks_result = False
        if self._kind == "s" and self._blank_texts and int(data) in self._blank_texts:
            return
        if self._kind == "s" and self._struck_texts and int(data) in self._struck_texts:
            self._facts.hidden_rows.add(self._row)
        if self._kind == "s" and self._raised_texts and int(data) in self._raised_texts:
            self._facts.raised.add((self._row, self._column))
        if self._kind == "e":
            cell = self._row, self._column
            self._facts.errors[cell] = self._facts.errors.get(cell, "") + data.strip()
            self._check_number_of_formulas()
        self._fill()

    def _fill(self) -> None:
        """Note that the current row has a value in the current cell."""
        if self._row > MAX_ROWS + 100:
            self._check_extent()
        self._facts.fill(self._row, self._column)
        if self._is_struck:
            self._facts.hidden_rows.add(self._row)

    def _end_cell(self) -> None:
        if not self._lacks_result:
            return
        self._lacks_result = False
        if self._kind == "str" and self._has_value:  # the result is an empty text, as of =IF(A2="","",B2)
            self._facts.formulas.discard((self._row, self._column))
        else:  # no program has computed it yet: the row is not blank
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
        self._facts.formulas.add((self._row, self._column))
        self._lacks_result = True
        if attributes.get("t") in ("array", "dataTable") and "ref" in attributes:
            self._facts.computed.append(parse_range(attributes["ref"]))
        self._check_number_of_formulas()

    def _check_number_of_formulas(self) -> None:
        if len(self._facts.formulas) + len(self._facts.errors) > MAX_FORMULAS:
            raise self._refused(
                f"it has more than {MAX_FORMULAS:,} formulas or error values.",
                "Copy the rows into a new workbook as values.",
            )

    def _next_row(self, number: str | None) -> None:
        last = self._row
        if number and not (number.isascii() and number.isdigit()):
            raise self._out_of_order(f"row {number[:20]!r} is not a number")
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
        return FileRefused(f"{self._name}, sheet {self._facts.name!r}: {problem}", hint=hint)


def _is_hidden(attributes: Mapping[str, str], size: str) -> bool:
    """Whether a row or columns can't be seen. ``size``: the attribute with their height or width."""
    return attributes.get("hidden", "0") in ("1", "true") or float(attributes.get(size, _VISIBLE)) < _VISIBLE
