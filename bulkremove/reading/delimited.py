"""CSV and TSV: encoding and separator told from the content, every field kept as the text it is.

pandas reads with no header given to it, because with one it shifts all columns by one, silently, when each row has a
field more than the header (measured). What is ragged, undecodable or cut off refuses the file.
"""

from __future__ import annotations

import codecs
import csv
import io
import re

from bulkremove.errors import FileRefused
from bulkremove.reading import damage
from bulkremove.reading.grid import LONGEST_CELL, MOST_ROWS, Grid

_CHUNK = 100_000
_SEP_LINE = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)


def read_delimited(raw: bytes, name: str) -> Grid:
    """The grid of a delimited file. Raises FileRefused."""
    encoding, notes = _encoding(raw, name)
    if encoding != "utf-8":
        text = raw.decode(encoding)
        raw = text.encode()
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if b"\0" in raw:
        raise FileRefused(
            f"{name} holds NUL characters: it is damaged or no text file.", hint="Export it again as CSV."
        )
    head = raw[:65_536].decode("utf-8", "ignore")
    given = _SEP_LINE.match(head)
    if given:
        raw = raw[len(given[0].encode()) :]
        head = head[len(given[0]) :]
    blank = re.match(r"(?:[ \t]*\r?\n)*", head)
    skipped = blank[0].count("\n") if blank else 0
    raw = raw[len(blank[0].encode()) :] if blank else raw
    separator = given[1] if given else _separator(head[len(blank[0]) :] if blank else head, name)
    columns = _columns(raw, separator, name, skipped)
    kind = "tsv" if separator == "\t" else "csv"
    return Grid(kind, range(skipped + 1, skipped + 1 + len(columns[0])), columns, notes=notes)


def _encoding(raw: bytes, name: str) -> tuple[str, list[str]]:
    for bom, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if raw.startswith(bom):
            return _sure(raw, encoding, name), []
    try:
        raw.decode("utf-8")
        return "utf-8", []
    except UnicodeDecodeError:
        pass
    return _sure(raw, "cp1252", name), ["The file is not UTF-8; it was read as Windows-1252. Check names with accents."]


def _sure(raw: bytes, encoding: str, name: str) -> str:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise FileRefused(
            f"{name} can't be read as text: line {line} holds bytes that mean nothing in {encoding}.",
            hint='Save it again as "CSV UTF-8".',
        ) from None
    return encoding


def _separator(head: str, name: str) -> str:
    """The separator that gives the header the most fields."""
    if not head.strip():
        raise FileRefused(f"{name} is empty.")
    fields = {sep: len(next(csv.reader(io.StringIO(head, newline=""), delimiter=sep), [])) for sep in ",;\t"}
    best = max(fields, key=lambda sep: fields[sep])
    if fields[best] < 2:
        raise FileRefused(
            f"{name} has only one column: no comma, semicolon or tab separates its header.",
            hint="Save it as CSV with the columns Course ID, Batch ID and Learner ID.",
        )
    return best


def _columns(raw: bytes, separator: str, name: str, skipped: int) -> list[list[object]]:
    import pandas as pd

    columns: list[list[object]] = []
    rows = 0
    # Without quotation marks no cell is longer than its line.
    may_be_long = b'"' in raw or _longest_line(raw) > LONGEST_CELL
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
            chunksize=_CHUNK,
        ) as chunks:
            for chunk in chunks:
                columns = columns or [[] for _ in chunk.columns]
                cells = [chunk[i].tolist() for i in chunk.columns]
                if not damage.texts(cells[-1]):
                    cells = [_texts(column) for column in cells]
                for column, part in zip(columns, cells, strict=True):
                    column += part
                rows += len(chunk)
                if rows > MOST_ROWS + 1:
                    raise FileRefused(f"{name} has more than {MOST_ROWS:,} rows.", hint="Split it.")
                if may_be_long:
                    _check_lengths(columns, rows - len(chunk), name, skipped)
    except pd.errors.EmptyDataError:
        raise FileRefused(f"{name} is empty.") from None
    except pd.errors.ParserError as error:
        raise FileRefused(*_told(str(error), name, skipped)) from None
    return columns


def _longest_line(raw: bytes) -> int:
    """Bytes between two line feeds, at most."""
    import numpy as np

    ends = np.flatnonzero(np.frombuffer(raw, np.uint8) == ord("\n"))
    return int(np.diff(ends, prepend=-1, append=len(raw)).max())


def _texts(cells: list[object]) -> list[object]:
    """A row with fewer fields than the header has no cell at its end, which pandas tells as a NaN."""
    return [cell if isinstance(cell, str) else "" for cell in cells]


def _check_lengths(columns: list[list[object]], start: int, name: str, skipped: int) -> None:
    for column in columns:
        part = column[start:]
        if max(map(len, part), default=0) > LONGEST_CELL:  # type: ignore[arg-type] # texts only
            row = next(i for i, cell in enumerate(part) if len(str(cell)) > LONGEST_CELL)
            raise FileRefused(
                f"{name}, row {skipped + start + row + 1}: a cell has more than {LONGEST_CELL:,} characters.",
                hint="A quotation mark that is never closed does that too. Mend the row.",
            )


def _told(error: str, name: str, skipped: int) -> tuple[str]:
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", error)
    if found:
        expected, line, saw = found.groups()
        return (
            f"{name}, row {int(line) + skipped}: it has {saw} fields, but the header has {expected}. "
            "A text with the separator in it needs quotation marks; a missing heading needs one.",
        )
    if found := re.search(r"EOF inside string starting at row (\d+)", error):
        return (f"{name}, row {int(found[1]) + 1 + skipped}: a quotation mark is never closed.",)
    return (f"{name} can't be read as CSV; it is cut off or damaged.",)
