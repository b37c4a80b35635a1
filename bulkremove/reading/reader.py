"""Read a file to its end. Its format is detected from its content, not from its name."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.plan import ProtectedLearners
from bulkremove.domain.table import Table
from bulkremove.reading import heading_row, other_formats
from bulkremove.reading.delimited import read_delimited
from bulkremove.reading.grid import MAX_FILE_BYTES, Grid
from bulkremove.reading.options import ReadOptions
from bulkremove.reading.protected_learners import parse_protected_learners
from bulkremove.reading.staying_words import says_who_stays
from bulkremove.reading.table import build_table
from bulkremove.reading.workbook import read_ole, read_zip

_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
"""Of the first member, and of a zip without members. A CSV's first heading may begin with PK, too."""


def read(source: Path | BinaryIO, *, name: str, options: ReadOptions | None = None) -> Table:
    """Read a CSV, TSV, .xlsx, .xls or .ods file to its end. ``name`` is used in messages. Raises FileRefused."""
    options = options or ReadOptions()
    grid = _grid(_bytes(source, name), name, options)
    stem, sheet = name.rpartition(".")[0] or name, "" if options.sheet is not None else grid.sheet or ""
    refuse_staying_names({"file": stem, "sheet": sheet}, name, options)
    return build_table(grid, name, options)


def refuse_staying_names(named: Mapping[str, str], name: str, options: ReadOptions) -> None:
    """Raise FileRefused where a name, such as that of the file, says that these people stay."""
    for what, text in named.items():
        if not options.only and says_who_stays(text):
            raise FileRefused(
                f"{name}: the name of the {what}, {text!r}, says that these people stay.",
                hint=f"If they are to be removed, give the {what} another name, or --only all. Nothing was sent.",
                page_hint=f"If they are to be removed, give the {what} another name. Nothing was sent.",
            )


def read_protected_learners(path: Path) -> ProtectedLearners:
    """Read the list of learners who are never removed. Raises FileRefused."""
    if path.exists() and not path.is_file():  # opening a pipe would wait for whoever writes into it
        raise FileRefused(
            f"{path.name} is not a file, so the list of protected learners can't be read.",
            hint="Put a file in its place, or take it away if nobody is to be protected.",
        )
    return protected_learners_in(_bytes(path, path.name), path)


def protected_learners_in(raw: bytes, path: Path) -> ProtectedLearners:
    """Parse the content of that list. ``path``: what messages call it. Raises FileRefused."""
    raw = raw.removeprefix(codecs.BOM_UTF8)
    heading = re.split(rb"[\r\n]", raw, maxsplit=1)[0]
    if re.fullmatch(rb"[\w \-\"*#:()\[\]]+", heading):  # one column only: no separator to detect
        raw = b"sep=,\n" + raw
    grid = _grid(raw, path.name, ReadOptions())
    if not grid.columns or not len(grid.numbers):
        raise FileRefused(f"{path.name} is empty.", hint="Give it the heading Learner ID, or remove the file.")
    return parse_protected_learners(grid, path)


def _bytes(source: Path | BinaryIO, name: str) -> bytes:
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                raw = file.read(MAX_FILE_BYTES + 1)
        else:
            raw = source.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise FileRefused(f"{name} can't be read: {error.strerror}.") from None
    if len(raw) > MAX_FILE_BYTES:
        raise FileRefused(f"{name} is larger than 100 MB.", hint="Split it.")
    return raw


def _grid(raw: bytes, name: str, options: ReadOptions) -> Grid:
    if raw.startswith(_ZIP_SIGNATURES):
        return read_zip(raw, name, options)
    if raw.startswith(b"\xd0\xcf\x11\xe0"):
        return read_ole(raw, name, options)
    other_formats.check_content(raw, name)
    if options.sheet is not None:
        raise FileRefused(f"{name} is not a workbook and has no sheets.", hint="Name no sheet.")
    if options.header_row:
        return read_delimited(heading_row.blank_above(raw, options.header_row, name), name)
    try:
        return read_delimited(raw, name)
    except FileRefused:
        row = heading_row.find_in_text(raw, name)
        if row is None or row == 1 or options.header_row is not None:
            raise
        raise heading_row.header_row_error(name, row) from None
