"""The three forms of a report: CSV, .xlsx with text cells, and JSON Lines. Rows stream through, none is kept."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from bulkremove.domain.errors import ReportFailed
from bulkremove.domain.row import Roles
from bulkremove.domain.table import REPORT_COLUMNS
from bulkremove.report.tables import harmless, id_cell, readable

XLSX_ROWS = 1_048_576
XLSX_CELL = 32_767
"""Excel's limits: rows of a sheet, characters of a cell."""

type_of_writer = Callable[[Path, Sequence[str], Roles, Iterable[Sequence[str]]], None]


def write_csv(path: Path, header: Sequence[str], roles: Roles, rows: Iterable[Sequence[str]]) -> None:
    """UTF-8 with BOM and CRLF, as Excel expects it."""
    ids = set(roles)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([harmless(name) for name in header])
        for row in rows:
            writer.writerow([id_cell(cell) if i in ids else harmless(cell) for i, cell in enumerate(row)])


def write_xlsx(path: Path, header: Sequence[str], roles: Roles, rows: Iterable[Sequence[str]]) -> None:
    """Every cell is text, so no id is ever rounded and nothing is a formula."""
    from xlsxwriter import Workbook

    ids = set(roles)
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(str(path), options) as book:
        book.set_properties({"created": datetime(2000, 1, 1)})  # noqa: DTZ001 - the file format knows no zone
        text = book.add_format({"num_format": "@"})
        sheet = book.add_worksheet("Report")
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(header) - 1, 22, text)
        for column, name in enumerate(header):
            sheet.write_string(0, column, harmless(name)[:XLSX_CELL], text)
        for number, row in enumerate(rows, start=1):
            for column, cell in enumerate(row):
                shown = id_cell(cell).lstrip("\t") if column in ids else harmless(cell)
                sheet.write_string(number, column, shown[:XLSX_CELL], text)


def write_jsonl(path: Path, header: Sequence[str], roles: Roles, rows: Iterable[Sequence[str]]) -> None:
    """One object a line. ``cells`` holds [name, text] pairs, since two columns may have one name."""
    own = len(header) - len(REPORT_COLUMNS)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            pairs = [[readable(name), readable(cell)] for name, cell in zip(header[:own], row[:own], strict=True)]
            ours = {name: readable(cell) or None for name, cell in zip(header[own:], row[own:], strict=True)}
            file.write(json.dumps({"cells": pairs, **ours}, ensure_ascii=False) + "\n")


FORMATS: dict[str, type_of_writer] = {".csv": write_csv, ".xlsx": write_xlsx, ".jsonl": write_jsonl}


def writer_for(path: Path) -> type_of_writer:
    """The writer for a file's ending. Raises ReportFailed for one that is not known."""
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise ReportFailed(
            f"A report can't be written as {path.name}.", hint="Its name must end in .csv, .xlsx or .jsonl."
        )
    return found
