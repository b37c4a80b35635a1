"""The same small book as .xlsx, .xls and .ods, for tests that must hold for all three."""

from __future__ import annotations

import datetime
import io
import zipfile
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

import openpyxl
import xlwt

KINDS = ("xlsx", "xls", "ods")


class Formula(NamedTuple):
    """A cell that is computed."""

    text: str


class Error(NamedTuple):
    """A cell that shows an error value, such as ``#N/A``."""

    text: str


XLS_ERRORS = {"#NULL!": 0, "#DIV/0!": 7, "#VALUE!": 15, "#REF!": 23, "#NAME?": 29, "#NUM!": 36, "#N/A": 42}
"""xlwt's own names are wrong: its #VALUE! is #NUM!."""
Cell = str | float | bool | datetime.date | Formula | Error | None


@dataclass
class Sheet:
    """Rows from the top; ``hidden_rows`` by number from 1; ``merged`` as (first row, last row, first column, last)."""

    rows: list[list[Cell]]
    name: str = "Leavers"
    hidden: bool = False
    hidden_rows: tuple[int, ...] = ()
    merged: tuple[int, int, int, int] | None = None
    struck: tuple[int, int] | None = None
    """The cell that is struck through, from 1."""


@dataclass
class Book:
    sheets: list[Sheet] = field(default_factory=list)

    def as_bytes(self, kind: str) -> bytes:
        return {"xlsx": self._xlsx, "xls": self._xls, "ods": self._ods}[kind]()

    def _xlsx(self) -> bytes:
        book = openpyxl.Workbook()
        book.remove(book.active)
        for sheet in self.sheets:
            made = book.create_sheet(sheet.name)
            for i, row in enumerate(sheet.rows, start=1):
                for j, cell in enumerate(row, start=1):
                    value = f"={cell.text}" if isinstance(cell, Formula) else cell
                    target = made.cell(i, j, value.text if isinstance(value, Error) else value)
                    if isinstance(cell, str | Error):
                        target.data_type = "e" if isinstance(cell, Error) else "s"
            for number in sheet.hidden_rows:
                made.row_dimensions[number].hidden = True
            if sheet.struck:
                made.cell(*sheet.struck).font = openpyxl.styles.Font(strike=True)
            if sheet.hidden:
                made.sheet_state = "hidden"
            if sheet.merged:
                top, bottom, left, right = sheet.merged
                made.merge_cells(start_row=top, end_row=bottom, start_column=left, end_column=right)
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()

    def _xls(self) -> bytes:
        book = xlwt.Workbook()
        date, plain = xlwt.easyxf(num_format_str="YYYY-MM-DD"), xlwt.Style.default_style
        struck = xlwt.easyxf("font: struck_out on")
        for sheet in self.sheets:
            made = book.add_sheet(sheet.name)
            if sheet.hidden:
                made.visibility = 1
            for i, row in enumerate(sheet.rows):
                for j, cell in enumerate(row):
                    if isinstance(cell, Formula):
                        made.write(i, j, xlwt.Formula(cell.text))
                    elif isinstance(cell, Error):
                        made.row(i).set_cell_error(j, XLS_ERRORS[cell.text])
                    elif isinstance(cell, datetime.date):
                        made.write(i, j, cell, date)
                    elif cell is not None:
                        made.write(i, j, cell, struck if (i + 1, j + 1) == sheet.struck else plain)
            for number in sheet.hidden_rows:
                made.row(number - 1).hidden = True
            if sheet.merged:
                top, bottom, left, right = sheet.merged
                made.merge(top - 1, bottom - 1, left - 1, right - 1)
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()

    def _ods(self) -> bytes:
        hidden = '<style:table-properties table:display="false"/>'
        struck = '<style:text-properties style:text-line-through-style="solid"/>'
        struck = struck if any(sheet.struck for sheet in self.sheets) else ""
        tables = "".join(self._ods_table(sheet) for sheet in self.sheets)
        content = (
            '<?xml version="1.0" encoding="UTF-8"?><office:document-content'
            ' xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
            ' xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0"'
            ' xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
            ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
            ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0">'
            f'<office:automatic-styles><style:style style:name="gone" style:family="table">{hidden}</style:style>'
            f'<style:style style:name="out" style:family="table-cell">{struck}</style:style>'
            f"</office:automatic-styles><office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
            "</office:document-content>"
        )
        return archive({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": content.encode()})

    @staticmethod
    def _ods_table(sheet: Sheet) -> str:
        rows = []
        for i, row in enumerate(sheet.rows, start=1):
            cells = []
            for j, cell in enumerate(row, start=1):
                span = ""
                if sheet.merged and (i, j) == (sheet.merged[0], sheet.merged[2]):
                    span = f' table:number-rows-spanned="{sheet.merged[1] - sheet.merged[0] + 1}"'
                if (i, j) == sheet.struck:
                    span += ' table:style-name="out"'
                cells.append(_ods_cell(cell, span))
            hidden = ' table:visibility="filter"' if i in sheet.hidden_rows else ""
            rows.append(f"<table:table-row{hidden}>{''.join(cells)}</table:table-row>")
        style = ' table:style-name="gone"' if sheet.hidden else ""
        return f"<table:table table:name={quoteattr(sheet.name)}{style}>{''.join(rows)}</table:table>"


def archive(parts: dict[str, bytes]) -> bytes:
    """A zip of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return out.getvalue()


def _ods_cell(cell: Cell, span: str) -> str:
    if cell is None:
        return f"<table:table-cell{span}/>"
    facts, shown = "", str(cell)
    if isinstance(cell, Formula):
        facts, shown = f' table:formula={quoteattr(f"of:={cell.text}")} office:value-type="float" office:value="2"', "2"
    elif isinstance(cell, Error):
        facts, shown = ' office:value-type="string" office:string-value="" calcext:value-type="error"', cell.text
    elif isinstance(cell, bool):
        facts = f' office:value-type="boolean" office:boolean-value="{str(cell).lower()}"'
    elif isinstance(cell, float | int):
        facts = f' office:value-type="float" office:value="{cell!r}"'
    elif isinstance(cell, datetime.date):
        facts = f' office:value-type="date" office:date-value="{cell.isoformat()}"'
    else:
        facts = ' office:value-type="string"'
    return f"<table:table-cell{span}{facts}><text:p>{escape(shown)}</text:p></table:table-cell>"
