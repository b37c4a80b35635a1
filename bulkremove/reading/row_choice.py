"""Recognize a column that says who stays and who goes, such as Action; a person must say which rows are meant.

A roster with such a column names people who keep their place, so reading all its rows would remove them too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.row import Roles
from bulkremove.domain.table import Choices
from bulkremove.reading.columns import headings, named

ALL = "all"
"""The value of ``ReadOptions.only`` that means every row."""
MAX_VALUES = 5
"""A column with more different values says something else, such as a reason or a date."""
_GOING_OR_STAYING = re.compile(
    "actions?|(?:in)?activ(?:e|ity)|changes?|delet(?:e|ed|ion)|drop(?:ped)?|(?:un)?enroll?(?:ed|ment)?|kee?pt?|operation|"
    "remov(?:e|ed|al)|retain|state|status|stays?|withdrawn?"
)
"""Words of a heading under which values may say who stays."""
_STAYING = re.compile("active|enroll?(?:ed|ment)?|kee?pt?|retain|stays?")
"""Words of a heading under which yes means staying."""
_STAYING_VALUE = re.compile("active|add(?:ed)?|current|enroll?(?:ed)?|kee?pt?|present|retain|stays?")
_YES, _NO = re.compile("1|true|x|y|yes"), re.compile("0|false|n|no")


def rows_left_out(
    header: Sequence[str], cells: Sequence[Sequence[str]], roles: Roles, only: str | None, name: str
) -> tuple[frozenset[int], str]:
    """Return the rows (by index) that the user did not mean, and the note that says so.

    ``cells``: by column. ``only``: ``COLUMN=VALUE``, ``all``, or None if nobody has decided; then FileRefused offers
    the values of the first column that seems to say who stays.
    """
    if only == ALL:
        return frozenset(), ""
    if only is not None:
        return _chosen(header, cells, only, name)
    for column, heading in enumerate(header):
        counts = {} if column in roles else _values(heading, cells[column])
        if counts:
            shown = ", ".join(f"{value or 'blank'} ({count:,})" for value, count in counts.items())
            raise FileRefused(
                f"{name}: column {heading!r} seems to say who stays and who goes; it holds {shown}.",
                hint=f'Say which rows are meant: --only "{heading}=VALUE", or --only {ALL} for every row; for nightly '
                "runs set nightly_only.",
                choices=Choices(only=(heading, tuple(counts.items()))),
            )
    return frozenset(), ""


def _chosen(header: Sequence[str], cells: Sequence[Sequence[str]], only: str, name: str) -> tuple[frozenset[int], str]:
    heading, equals, value = only.rpartition("=")
    columns = named(header, heading.strip())
    if not equals or len(columns) != 1:
        raise FileRefused(
            f"{name}: --only {only!r} names no column of this file. Headings found: {headings(header)}.",
            hint="Write --only COLUMN=VALUE.",
        )
    values = list(map(_normal, cells[columns[0]]))
    wanted = _normal(value)
    left_out = frozenset(index for index, found in enumerate(values) if found != wanted)
    if len(left_out) == len(values):
        raise FileRefused(f"{name}: no row has {value!r} in column {header[columns[0]]!r}.", hint="Check --only.")
    return (
        left_out,
        f"{len(left_out):,} rows are left out, since {header[columns[0]]!r} is not {value.strip()!r} there.",
    )


def _values(heading: str, cells: Sequence[str]) -> Mapping[str, int]:
    """The values of a column that seems to say who stays, with how many rows have each; empty for other columns."""
    words = re.findall("[a-z]+", re.sub("(?<=[a-z])(?=[A-Z])", " ", heading).casefold())
    if not any(map(_GOING_OR_STAYING.fullmatch, words)):
        return {}
    raw = Counter(cells)
    if len(raw) > 20 * MAX_VALUES:
        return {}
    spelled: dict[str, str] = {}
    counts = Counter[str]()
    for cell, count in raw.items():
        counts[spelled.setdefault(_normal(cell), cell.strip())] += count
    if len(counts) == 1:
        (value,) = spelled
        keeps = _YES if any(map(_STAYING.fullmatch, words)) else _NO
        return counts if keeps.fullmatch(value) or _STAYING_VALUE.fullmatch(value) else {}
    return counts if len(counts) <= MAX_VALUES else {}


def _normal(cell: str) -> str:
    return cell.strip().casefold()
