"""Read CSV and TSV: detect encoding and separator from the content, and keep every field as unchanged text.

pandas is told that there is no header: with one, it silently shifts all columns by one when each row has one field
more than the header (measured). A ragged, undecodable or truncated file is refused.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterator

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.ids import is_id
from bulkremove.reading import damaged_ids, encodings
from bulkremove.reading.grid import MAX_CELL_LENGTH, MAX_COLUMNS, MAX_ROWS, Grid
from bulkremove.reading.separators import locate_first_row

_CHUNK_ROWS = 100_000
_SCAN_BYTES = 1 << 22
_MAX_QUOTED_BYTES = 1 << 20
"""More bytes between two quotation marks than a cell can hold."""
_LONG_ID = 12
"""Digits that are alone in a line of a cell, from which on they are taken for an id."""
_END_OF_FILE = b"\x1a"
"""Ctrl-Z, with which old DOS programs end a text."""


def read_delimited(raw: bytes, name: str) -> Grid:
    """Read a CSV or TSV file into a grid. Raises FileRefused."""
    encoding, notes = encodings.detect(raw, name)
    if encoding != "utf-8":
        text = raw.decode(encoding)
        raw = text.encode()
    raw = raw.removeprefix(codecs.BOM_UTF8).rstrip(_END_OF_FILE)
    if b"\0" in raw:
        raise FileRefused(
            f"{name} holds NUL characters: it is damaged or not a text file.", hint="Export it again as CSV."
        )
    start, skipped, separator = locate_first_row(raw, name)
    columns = _columns(raw[start:], separator, name, skipped)
    kind = "tsv" if separator == "\t" else "csv"
    numbers = range(skipped + 1, skipped + 1 + len(columns[0]))
    short_rows = _short_rows(raw[start:], separator, columns, skipped)
    return Grid(kind, numbers, columns, notes=notes, short_rows=short_rows)


def without_rows(raw: bytes, name: str, numbers: Collection[int]) -> bytes:
    """Remove the rows with these numbers (as in ``Grid.numbers``); all other bytes stay. Raises FileRefused."""
    encoding, _ = encodings.detect(raw, name)
    bom = next((bom for bom in (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) if raw.startswith(bom)), b"")
    if encoding == "utf-16":
        encoding = "utf-16-le" if bom == codecs.BOM_UTF16_LE else "utf-16-be"
    text = raw.removeprefix(bom).decode(encoding)
    start, skipped, separator = locate_first_row(text.encode(), name)
    head = text.encode()[:start].decode()
    lines: list[str] = []  # of the row that csv.reader reads now

    def recorded_lines() -> Iterator[str]:
        for line in io.StringIO(text[len(head) :], newline=""):
            lines.append(line)
            yield line

    remaining = [head]
    for number, _ in enumerate(csv.reader(recorded_lines(), delimiter=separator), start=skipped + 1):
        if number not in numbers:
            remaining += lines
        lines.clear()
    return bom + "".join(remaining).encode(encoding)


def _columns(raw: bytes, separator: str, name: str, skipped: int) -> list[list[object]]:
    import pandas as pd

    columns: list[list[object]] = []
    rows = 0
    quoted = b'"' in raw  # if not, no cell is longer than its line
    longest = max(_stretches(raw, "\n"))
    if longest > MAX_CELL_LENGTH and b"\r" in raw:  # the lines may end in CR alone
        longest = max(_stretches(raw.replace(b"\r", b"\n"), "\n"))
    if not quoted and longest > MAX_COLUMNS * (MAX_CELL_LENGTH + 1) * 4:
        raise FileRefused(
            f"{name}: a line has {longest:,} bytes.", hint="It is damaged or not a list of rows; export it again."
        )
    if quoted:
        _check_ids_in_quotes(raw, separator, name, skipped)
        _check_quotes(raw, separator, name, skipped)
    may_be_long = quoted or longest > MAX_CELL_LENGTH
    try:
        with pd.read_csv(
            io.BytesIO(raw),
            sep=separator,
            header=None,
            dtype=object,
            na_filter=False,
            index_col=False,
            skip_blank_lines=False,
            encoding="utf-8",
            engine="c",
            chunksize=_CHUNK_ROWS,
        ) as chunks:
            for chunk in chunks:
                columns = columns or [[] for _ in chunk.columns]
                cells = [chunk[i].tolist() for i in chunk.columns]
                if not damaged_ids.are_all_text(cells[-1]):
                    cells = [_fill_missing(column) for column in cells]
                for column, part in zip(columns, cells, strict=True):
                    column += part
                rows += len(chunk)
                if rows > MAX_ROWS + 1:
                    raise FileRefused(f"{name} has more than {MAX_ROWS:,} rows.", hint="Split it.")
                if may_be_long:
                    _check_lengths(columns, rows - len(chunk), name, skipped)
                if quoted:
                    _check_line_ends(columns, rows - len(chunk), separator, name, skipped)
    except pd.errors.EmptyDataError:
        raise FileRefused(f"{name} is empty.") from None
    except pd.errors.ParserError as error:
        raise FileRefused(_explain(str(error), name, skipped)) from None
    return columns


def _check_ids_in_quotes(raw: bytes, separator: str, name: str, skipped: int) -> None:
    """Refuse digits directly after a quoted number: a CSV reader joins the two into one number."""
    match = re.search(rb'(?:^|[\r\n]|%s)"[0-9]+"[0-9]' % re.escape(separator.encode()), raw)
    if match:
        line = encodings.line_number(raw, match.end() - 1) + skipped
        raise FileRefused(f"{name}, line {line}: digits follow a closing quotation mark.", hint="Correct the cell.")


def _check_quotes(raw: bytes, separator: str, name: str, skipped: int) -> None:
    """Refuse an unclosed quotation mark: the rest of the file would be one cell, which pandas copies several times."""
    _, longest_quoted = _stretches(raw, '"')
    if longest_quoted <= _MAX_QUOTED_BYTES:
        return
    rows = skipped
    try:
        for _ in csv.reader(io.TextIOWrapper(io.BytesIO(raw), "utf-8", newline=""), delimiter=separator):
            rows += 1
    except csv.Error:  # a cell of more than 131,072 characters
        raise FileRefused(
            f"{name}, row {rows + 1}: a quotation mark is never closed.", hint="Correct the row and export again."
        ) from None


def _stretches(raw: bytes, mark: str) -> tuple[int, int]:
    """Return the length in bytes of the longest stretch that ends at an odd mark (1st, 3rd, ...) and at an even mark.

    The end of the file counts as a mark. Scans in chunks, since each position of a mark takes eight bytes.
    """
    import numpy as np

    longest, count, last = [0, 0], 0, -1
    data = np.frombuffer(raw, np.uint8)
    for start in range(0, len(raw), _SCAN_BYTES):
        positions = np.flatnonzero(data[start : start + _SCAN_BYTES] == ord(mark)) + start
        if len(positions):
            lengths = np.diff(positions, prepend=last)
            for offset in (0, 1):
                parity = (count + offset) % 2
                longest[parity] = max(longest[parity], int(lengths[offset::2].max(initial=0)))
            count += len(positions)
            last = int(positions[-1])
    longest[count % 2] = max(longest[count % 2], len(raw) - last)
    return longest[0], longest[1]


def _short_rows(raw: bytes, separator: str, columns: list[list[object]], skipped: int) -> dict[int, int]:
    """How many fields each row has that has fewer than the first one, by its number."""
    width, height = len(columns), len(columns[0])
    if "" not in columns[-1] or (b'"' not in raw and raw.count(separator.encode()) == (width - 1) * height):
        return {}  # fast for a million rows
    rows = csv.reader(io.TextIOWrapper(io.BytesIO(raw), "utf-8", newline=""), delimiter=separator)
    return {number: len(row) for number, row in enumerate(rows, start=skipped + 1) if 0 < len(row) < width}


def _fill_missing(cells: list[object]) -> list[object]:
    """Replace NaN, which pandas gives for the missing last cells of a short row, by an empty text."""
    return [cell if isinstance(cell, str) else "" for cell in cells]


def _check_lengths(columns: list[list[object]], start: int, name: str, skipped: int) -> None:
    for column in columns:
        part = column[start:]
        if max(map(len, part), default=0) > MAX_CELL_LENGTH:  # type: ignore[arg-type] # texts only
            row = next(i for i, cell in enumerate(part) if len(str(cell)) > MAX_CELL_LENGTH)
            raise FileRefused(
                f"{name}, row {skipped + start + row + 1}: a cell has more than {MAX_CELL_LENGTH:,} characters.",
                hint="An unclosed quotation mark can cause this too. Correct the row.",
            )


def _check_line_ends(columns: list[list[object]], start: int, separator: str, name: str, skipped: int) -> None:
    """Refuse a cell that has swallowed other rows: a line in it has ids as a row has them."""
    for column in columns:
        part: list[str] = column[start:]  # type: ignore[assignment] # texts only
        joined = "".join(part)  # fast for a million rows
        if "\n" not in joined and "\r" not in joined:
            continue
        for index, cell in enumerate(part):
            for line in cell.splitlines() if "\n" in cell or "\r" in cell else ():
                ids = [field for field in map(str.strip, line.split(separator)) if is_id(field)]
                if len(ids) > 1 or any(len(id_text) >= _LONG_ID for id_text in ids):
                    raise FileRefused(
                        f"{name}, row {skipped + start + index + 1}: a cell holds several lines, one of them with ids "
                        f"({ids[0]}), so a quotation mark may have joined rows.",
                        hint="Correct the quotation marks in this row, or take the line with ids out of the cell.",
                    )


def _explain(error: str, name: str, skipped: int) -> str:
    """The message for an error of pandas' parser."""
    if match := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", error):
        expected, line, actual = match.groups()
        return (
            f"{name}, row {int(line) + skipped}: it has {actual} fields, but the header has {expected}. "
            "A text with the separator in it needs quotation marks; a column without a heading needs one."
        )
    if match := re.search(r"EOF inside string starting at row (\d+)", error):
        return f"{name}, row {int(match[1]) + 1 + skipped}: a quotation mark is never closed."
    return f"{name} can't be read as CSV; it is cut off or damaged."
