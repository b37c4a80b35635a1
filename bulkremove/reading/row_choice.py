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
MAX_MIXED = 50
"""The same for a column among whose values one plainly means staying or going."""
_GOING_OR_STAYING = re.compile(
    "actions?|(?:in)?activ(?:e|ity)|changes?|decision|delet(?:e|ed|ing|ion)|drop(?:ped)?|(?:un)?enroll?(?:ed|ment)?|"
    "exclu(?:de|ded|sion)|exit|kee?pt?|leav(?:er|ing)|operation|remov(?:e|ed|al|ing)|retain(?:ed)?|skip|state|status|"
    "stays?|terminat(?:ed|ion)|withdrawn?"
)
"""Words of a heading under which values may say who stays."""
_STAYING = re.compile("active|current|enroll?(?:ed|ment)?|exclu(?:de|ded|sion)|kee?pt?|retain(?:ed)?|skip|stays?")
"""Words of a heading under which yes means staying; a negation turns that round."""
_NEGATION = re.compile("dont|doesnt|no|non|not|never")
_STAYING_VALUE = re.compile(
    "active.*|add(?:ed)?|current.*|enroll?(?:ed)?|kee?pt?\\b.*|present|retain(?:ed)?|stay(?:s|ing)?"
)
_GOING_VALUE = re.compile(
    "del(?:ete|eted)?|drop(?:ped)?|exit(?:ed)?|inactive|left|remov(?:e|al)|terminated|unenroll?(?:ed)?|withdrawn"
)
_YES, _NO = re.compile("1|true|x|y|yes"), re.compile("0|false|n|no")


def rows_left_out(
    header: Sequence[str],
    cells: Sequence[Sequence[str]],
    roles: Roles,
    numbers: Sequence[int],
    only: str | None,
    name: str,
) -> tuple[frozenset[int], str]:
    """Return the rows (by index) that the user did not mean, and the note that says so.

    ``cells``: by column. ``only``: ``COLUMN=VALUE``, ``all``, or None if nobody has decided; then FileRefused offers
    the values of the first column that seems to say who stays.
    """
    if only == ALL:
        return frozenset(), ""
    if only is not None:
        return _chosen(header, cells, roles, numbers, only, name)
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


def _chosen(
    header: Sequence[str], cells: Sequence[Sequence[str]], roles: Roles, numbers: Sequence[int], only: str, name: str
) -> tuple[frozenset[int], str]:
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
    triples = list(zip(*(map(str.strip, cells[column]) for column in roles), strict=True))
    staying = {triples[index]: numbers[index] for index in left_out}
    for index, triple in enumerate(triples):
        if index not in left_out and triple in staying:
            raise FileRefused(
                f"{name}: rows {staying[triple]} and {numbers[index]} name the same learner, but only one of them is "
                f"meant by {header[columns[0]]!r}.",
                hint="Nothing was sent. Correct one of the two rows.",
            )
    return (
        left_out,
        f"{len(left_out):,} rows are left out, since {header[columns[0]]!r} is not {value.strip()!r} there.",
    )


def _values(heading: str, cells: Sequence[str]) -> Mapping[str, int]:
    """The values of a column that seems to say who stays, with how many rows have each; empty for other columns."""
    raw = Counter(cells)
    if len(raw) > 4 * MAX_MIXED:
        return {}
    spelled: dict[str, str] = {}
    counts = Counter[str]()
    for cell, count in raw.items():
        counts[spelled.setdefault(_normal(cell), cell.strip())] += count
    stays, goes = (any(map(pattern.fullmatch, spelled)) for pattern in (_STAYING_VALUE, _GOING_VALUE))
    plain = re.sub("(?<=[a-z])(?=[A-Z])", " ", heading.replace("'", "").replace("\u2019", "")).casefold()
    words = re.findall("[a-z]+", plain)
    if not any(map(_GOING_OR_STAYING.fullmatch, words)):
        return counts if stays and goes and len(counts) <= MAX_MIXED else {}
    if len(counts) == 1:
        return {} if _all_go(words, *spelled) else counts
    return counts if len(counts) <= (MAX_MIXED if stays or goes else MAX_VALUES) else {}


def _all_go(words: Sequence[str], value: str) -> bool:
    """Whether the only value of a column plainly means going, or nothing at all."""
    means_staying = any(map(_STAYING.fullmatch, words)) != any(map(_NEGATION.fullmatch, words))
    return not value or bool((_NO if means_staying else _YES).fullmatch(value)) or bool(_GOING_VALUE.fullmatch(value))


def _normal(cell: str) -> str:
    return cell.strip().casefold()
