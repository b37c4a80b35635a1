"""CSV and TSV: encoding and separator told from the content, every field kept as the text it is.

pandas reads with no header given to it, because with one it shifts all columns by one, silently, when each row has a
field more than the header (measured). What is ragged, undecodable or cut off refuses the file.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterator

from bulkremove.domain.errors import FileRefused
from bulkremove.reading import damaged_ids
from bulkremove.reading.grid import MAX_CELL_LENGTH, MAX_COLUMNS, MAX_ROWS, Grid

_CHUNK = 100_000
_PIECE = 1 << 22
_SUSPICIOUS = 1 << 20
"""Bytes between two quotation marks that are more than a cell can hold."""
_SEP_LINE = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)
_SEPARATORS = frozenset(",;\t| :")


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
    start, skipped, separator = _start(raw, name)
    columns = _columns(raw[start:], separator, name, skipped)
    kind = "tsv" if separator == "\t" else "csv"
    return Grid(kind, range(skipped + 1, skipped + 1 + len(columns[0])), columns, notes=notes)


def without_rows(raw: bytes, name: str, numbers: Collection[int]) -> bytes:
    """The file without the rows of these numbers (as in its ``Grid``); all other bytes stay. Raises FileRefused."""
    encoding, _ = _encoding(raw, name)
    bom = next((one for one in (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) if raw.startswith(one)), b"")
    if encoding == "utf-16":
        encoding = "utf-16-le" if bom == codecs.BOM_UTF16_LE else "utf-16-be"
    text = raw.removeprefix(bom).decode(encoding)
    start, skipped, separator = _start(text.encode(), name)
    head = text.encode()[:start].decode()
    lines: list[str] = []

    def remembered() -> Iterator[str]:
        for line in io.StringIO(text[len(head) :], newline=""):
            lines.append(line)
            yield line

    kept = [head]
    for number, _ in enumerate(csv.reader(remembered(), delimiter=separator), start=skipped + 1):
        if number not in numbers:
            kept += lines
        lines.clear()
    return bom + "".join(kept).encode(encoding)


def _start(raw: bytes, name: str) -> tuple[int, int, str]:
    """Bytes before the first row, blank lines among them, and the separator."""
    head = raw[:65_536].decode("utf-8", "ignore")
    given = _SEP_LINE.match(head)
    if given and given[1] not in _SEPARATORS:
        raise FileRefused(f"{name}, row 1: {given[1]!r} is no separator.", hint="Name a comma, semicolon or tab.")
    begun = len(given[0]) if given else 0
    blank = re.match(r"(?:[ \t]*\r?\n)*", head[begun:])
    skipped = blank[0].count("\n") if blank else 0
    begun += len(blank[0]) if blank else 0
    separator = given[1] if given else _separator(head[begun:], name)
    return len(head[:begun].encode()), skipped, separator


def _encoding(raw: bytes, name: str) -> tuple[str, list[str]]:
    for bom, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if raw.startswith(bom):
            return _sure(raw, encoding, name), []
    if _is_utf8(raw):
        return "utf-8", []
    return _sure(raw, "cp1252", name), ["The file is not UTF-8; it was read as Windows-1252. Check names with accents."]


def _is_utf8(raw: bytes) -> bool:
    """Asked piece by piece: as one text, a single emoji would make each character of the file take four bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(raw), 1 << 20):
            decoder.decode(raw[start : start + (1 << 20)])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


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
    if fields[best] > MAX_COLUMNS:
        raise FileRefused(f"{name} has {fields[best]:,} columns or more.", hint="Leave out what is no id.")
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
    quoted = b'"' in raw
    longest = max(_stretches(raw, "\n"))
    if not quoted and longest > MAX_COLUMNS * (MAX_CELL_LENGTH + 1) * 4:
        raise FileRefused(f"{name}: a line has {longest:,} bytes.", hint="It is damaged or no list; export it again.")
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
            chunksize=_CHUNK,
        ) as chunks:
            for chunk in chunks:
                columns = columns or [[] for _ in chunk.columns]
                cells = [chunk[i].tolist() for i in chunk.columns]
                if not damaged_ids.texts(cells[-1]):
                    cells = [_texts(column) for column in cells]
                for column, part in zip(columns, cells, strict=True):
                    column += part
                rows += len(chunk)
                if rows > MAX_ROWS + 1:
                    raise FileRefused(f"{name} has more than {MAX_ROWS:,} rows.", hint="Split it.")
                if may_be_long:
                    _check_lengths(columns, rows - len(chunk), name, skipped)
    except pd.errors.EmptyDataError:
        raise FileRefused(f"{name} is empty.") from None
    except pd.errors.ParserError as error:
        raise FileRefused(*_explained(str(error), name, skipped)) from None
    return columns


def _check_ids_in_quotes(raw: bytes, separator: str, name: str, skipped: int) -> None:
    """Digits within quotation marks and more right behind them, which a reader of CSV makes one number of."""
    doubtful = re.search(rb'(?:^|[\r\n]|%s)"[0-9]+"[0-9]' % re.escape(separator.encode()), raw)
    if doubtful:
        line = raw.count(b"\n", 0, doubtful.end()) + 1 + skipped
        raise FileRefused(f"{name}, line {line}: digits follow a closing quotation mark.", hint="Mend the cell.")


def _check_quotes(raw: bytes, separator: str, name: str, skipped: int) -> None:
    """A quotation mark that is never closed makes the rest of the file one cell, which pandas keeps several times."""
    _, inside = _stretches(raw, '"')
    if inside <= _SUSPICIOUS:
        return
    rows = skipped
    try:
        for _ in csv.reader(io.TextIOWrapper(io.BytesIO(raw), "utf-8", newline=""), delimiter=separator):
            rows += 1
    except csv.Error:  # a cell of more than 131,072 characters
        raise FileRefused(
            f"{name}, row {rows + 1}: a quotation mark is never closed.", hint="Mend the row and export again."
        ) from None


def _stretches(raw: bytes, mark: str) -> tuple[int, int]:
    """Bytes of the longest stretch before a first, third, fifth mark, and before a second, fourth, sixth one.

    The file's end counts as a mark. Piece by piece, since each mark found takes eight bytes.
    """
    import numpy as np

    longest, marks, last = [0, 0], 0, -1
    whole = np.frombuffer(raw, np.uint8)
    for start in range(0, len(raw), _PIECE):
        found = np.flatnonzero(whole[start : start + _PIECE] == ord(mark)) + start
        if len(found):
            stretches = np.diff(found, prepend=last)
            for place in (0, 1):
                mine = stretches[place::2]
                parity = (marks + place) % 2
                longest[parity] = max(longest[parity], int(mine.max()) if len(mine) else 0)
            marks += len(found)
            last = int(found[-1])
    longest[marks % 2] = max(longest[marks % 2], len(raw) - last)
    return longest[0], longest[1]


def _texts(cells: list[object]) -> list[object]:
    """A row with fewer fields than the header has no cell at its end, which pandas tells as a NaN."""
    return [cell if isinstance(cell, str) else "" for cell in cells]


def _check_lengths(columns: list[list[object]], start: int, name: str, skipped: int) -> None:
    for column in columns:
        part = column[start:]
        if max(map(len, part), default=0) > MAX_CELL_LENGTH:  # type: ignore[arg-type] # texts only
            row = next(i for i, cell in enumerate(part) if len(str(cell)) > MAX_CELL_LENGTH)
            raise FileRefused(
                f"{name}, row {skipped + start + row + 1}: a cell has more than {MAX_CELL_LENGTH:,} characters.",
                hint="A quotation mark that is never closed does that too. Mend the row.",
            )


def _explained(error: str, name: str, skipped: int) -> tuple[str]:
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
