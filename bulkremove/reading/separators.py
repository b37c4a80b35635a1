"""Find the separator of a CSV or TSV file, from a ``sep=`` line or else from the headings of the id columns."""

from __future__ import annotations

import csv
import io
import re

from bulkremove.domain.errors import FileRefused
from bulkremove.reading.columns import has_roles
from bulkremove.reading.grid import MAX_COLUMNS

DETECTED = ",;\t|"
"""The separators that are detected without a ``sep=`` line."""
_SEP_LINE = re.compile(r'"?sep=(.)"?(?:\r\n|\r|\n)', re.IGNORECASE)
_BLANK_LINES = re.compile(r"(?:[ \t]*(?:\r\n|\r|\n))*")
_SEPARATORS = frozenset(",;\t| :")


def locate_first_row(raw: bytes, name: str) -> tuple[int, int, str]:
    """Return the byte offset of the first row, how many blank lines precede it, and the separator."""
    head = raw[:65_536].decode("utf-8", "ignore")
    start, declared = sep_line(head, name)
    blank = _BLANK_LINES.match(head, start)
    skipped = len(blank[0].splitlines()) if blank else 0
    start += len(blank[0]) if blank else 0
    separator = declared or _separator(head[start:], name)
    return len(head[:start].encode()), skipped, separator


def sep_line(text: str, name: str) -> tuple[int, str]:
    """Return the length of a first line such as ``sep=;``, which is not a row, and its separator; 0 and "" without one.

    Raises FileRefused if it names a character that is not a valid separator.
    """
    line = _SEP_LINE.match(text)
    if line is None:
        return 0, ""
    if line[1] not in _SEPARATORS:
        raise FileRefused(
            f"{name}, row 1: {line[1]!r} is not a valid separator.", hint="Use a comma, semicolon or tab."
        )
    return len(line[0]), line[1]


def _separator(head: str, name: str) -> str:
    """Return the separator that gives the first line headings for all three ids.

    If there is none, return the one that gives the first line the most fields; if several do, one that gives the second
    line as many.
    """
    if not head.strip():
        raise FileRefused(f"{name} is empty.")
    candidates: dict[str, tuple[bool, int, bool]] = {}
    for separator in DETECTED:
        lines = csv.reader(io.StringIO(head, newline=""), delimiter=separator)
        first, second = next(lines, []), next(lines, [])
        candidates[separator] = has_roles(first), len(first), len(first) == len(second)
    best = max(candidates, key=lambda separator: candidates[separator])
    _, fields, _ = candidates[best]
    if fields > MAX_COLUMNS:
        raise FileRefused(f"{name} has {fields:,} columns or more.", hint="Leave out columns without ids.")
    if fields < 2:
        raise FileRefused(
            f"{name} has only one column: no comma, semicolon, tab or | separates its headings.",
            hint="Save it as CSV with the columns Course ID, Batch ID and Learner ID.",
        )
    return best
