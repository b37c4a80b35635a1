"""The three formats of a file of rows: CSV, .xlsx with text cells, and JSON Lines. Rows are streamed, not collected."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from bulkremove.domain.errors import ReportFailed
from bulkremove.domain.table import REPORT_COLUMNS
from bulkremove.report.tables import escape_formula, id_cell, replace_unwritable
from bulkremove.report.workbook import write_table

ReportWriter = Callable[[BinaryIO, Sequence[str], Iterable[int], Iterable[Sequence[str]]], None]
"""Writes a header and rows; the numbers are the columns of ids, which stay exact."""


def write_csv(file: BinaryIO, header: Sequence[str], roles: Iterable[int], rows: Iterable[Sequence[str]]) -> None:
    """Write CSV in UTF-8 with a BOM and CRLF, all cells quoted. ``roles``: the columns of the ids, which stay exact."""
    ids = set(roles)
    file.write(codecs.BOM_UTF8)
    writer = csv.writer(_Utf8(file), quoting=csv.QUOTE_ALL)
    writer.writerow([escape_formula(name) for name in header])
    for row in rows:
        writer.writerow([id_cell(cell) if i in ids else escape_formula(cell) for i, cell in enumerate(row)])


class _Utf8:
    """The text side of a binary file. io.TextIOWrapper would write once more, unasked, after an error of the disk."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode())


def write_jsonl(file: BinaryIO, header: Sequence[str], roles: Iterable[int], rows: Iterable[Sequence[str]]) -> None:
    """Write one JSON object a line. ``cells`` holds [name, text] pairs, since two columns may have one name."""
    is_report = tuple(header[-len(REPORT_COLUMNS) :]) == tuple(REPORT_COLUMNS)  # else the input's own columns alone
    width = len(header) - len(REPORT_COLUMNS) * is_report
    for row in rows:
        pairs = [
            [replace_unwritable(name), replace_unwritable(cell)]
            for name, cell in zip(header[:width], row[:width], strict=True)
        ]
        result = {
            name: replace_unwritable(cell) or None for name, cell in zip(header[width:], row[width:], strict=True)
        }
        file.write(json.dumps({"cells": pairs, **result}, ensure_ascii=False).encode() + b"\n")


FORMATS: dict[str, ReportWriter] = {".csv": write_csv, ".xlsx": write_table, ".jsonl": write_jsonl}


def writer_for(path: Path) -> ReportWriter:
    """The writer for a file's extension. Raises ReportFailed for any other extension."""
    writer = FORMATS.get(path.suffix.lower())
    if writer is None:
        raise ReportFailed(
            f"A report can't be written as {path.name}.", hint="Its name must end in .csv, .xlsx or .jsonl."
        )
    return writer
