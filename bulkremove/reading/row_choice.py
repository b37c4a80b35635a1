"""Recognize a column that says who stays and who goes, such as Action; a person must say which rows are meant.

A roster with such a column names people who keep their place, so reading all its rows would remove them too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.row import Roles
from bulkremove.domain.table import Choices, column_letter
from bulkremove.reading.columns import headings, named
from bulkremove.reading.previous_report import are_statuses

ALL = "all"
"""The choice of ``ReadOptions.only`` that means every row, or every row that the other choices leave."""
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
    only: Sequence[str],
    name: str,
) -> tuple[frozenset[int], str]:
    """Return the rows (by index) that the user did not mean, and the note that says so.

    ``cells``: by column. ``only``: ``COLUMN=VALUE`` for each column that somebody decided on, several times for several
    values; and ``all``, if the other columns do not matter. FileRefused offers the values of the columns that seem to
    say who stays in the rows that are left, and that nobody has decided on.
    """
    wanted = _wanted(header, cells, only, name)
    left_out, note = _chosen(header, cells, roles, numbers, wanted, name) if wanted else (frozenset[int](), "")
    if ALL in only:
        return left_out, note
    undecided = {}
    for column, heading in enumerate(header):
        if column not in roles and column not in wanted:
            remaining = [cell for index, cell in enumerate(cells[column]) if index not in left_out]
            if counts := _values(heading, remaining if left_out else cells[column]):
                undecided[_label(header, column)] = counts
    if undecided:
        raise _asked(undecided, only, name)
    return left_out, note


def _asked(undecided: Mapping[str, Mapping[str, int]], only: Sequence[str], name: str) -> FileRefused:
    """The question which rows are meant. ``undecided``: by column, the values and how many rows have each."""
    holds = {
        label: ", ".join(f"{value or 'blank'} ({count:,})" for value, count in counts.items())
        for label, counts in undecided.items()
    }
    columns = " and ".join(map(repr, undecided))
    if len(undecided) == 1:
        says = f"column {columns} seems to say who stays and who goes; it holds {next(iter(holds.values()))}"
    else:
        values = "; ".join(f"{label!r} holds {shown}" for label, shown in holds.items())
        says = f"columns {columns} seem to say who stays and who goes; {values}"
    options = " ".join(f'--only "{choice}"' for choice in (*only, *(f"{label}=VALUE" for label in undecided)))
    every = "every row" if not only else "every other row"
    return FileRefused(
        f"{name}: {says}.",
        hint=f"Say which rows are meant: {options}, or --only {ALL} for {every}; for nightly runs set nightly_only.",
        choices=Choices(only=tuple((label, tuple(counts.items())) for label, counts in undecided.items())),
    )


def _wanted(
    header: Sequence[str], cells: Sequence[Sequence[str]], only: Sequence[str], name: str
) -> Mapping[int, Sequence[str]]:
    """The values that were chosen, by column. Raises FileRefused for a choice that fits no column or no row."""
    wanted: dict[int, list[str]] = {}
    for choice in only:
        if choice == ALL:
            continue
        splits = ((choice[:place], choice[place + 1 :]) for place, mark in enumerate(choice) if mark == "=")
        found = [(named(header, heading.strip()), value.strip()) for heading, value in splits]
        columns = [(columns[0], value) for columns, value in found if len(columns) == 1]
        if not columns:
            raise FileRefused(
                f"{name}: --only {choice!r} names no column of this file. Headings found: {headings(header)}.",
                hint="Write --only COLUMN=VALUE.",
            )
        column, value = columns[-1]
        if _normal(value) not in map(_normal, set(cells[column])):
            raise FileRefused(f"{name}: no row has {value!r} in column {header[column]!r}.", hint="Check --only.")
        wanted.setdefault(column, []).append(value)
    return wanted


def _chosen(
    header: Sequence[str],
    cells: Sequence[Sequence[str]],
    roles: Roles,
    numbers: Sequence[int],
    wanted: Mapping[int, Sequence[str]],
    name: str,
) -> tuple[frozenset[int], str]:
    """The rows that were not meant, and the note. Raises FileRefused for nobody, and for one who stays and goes."""
    left_out = frozenset(
        index
        for column, values in wanted.items()
        for spelled in [frozenset(map(_normal, values))]
        for index, cell in enumerate(cells[column])
        if _normal(cell) not in spelled
    )
    meant = " or ".join(f"{_label(header, column)!r} is not {_either(values)}" for column, values in wanted.items())
    if len(left_out) == len(numbers):
        raise FileRefused(f"{name}: no row has all that --only names.", hint="Check --only.")
    triples = list(zip(*(map(str.strip, cells[column]) for column in roles), strict=True))
    staying = {triples[index]: numbers[index] for index in left_out}
    for index, triple in enumerate(triples):
        if index not in left_out and triple in staying:
            raise FileRefused(
                f"{name}: rows {staying[triple]} and {numbers[index]} name the same learner, but only one of them is "
                f"meant by {' and '.join(repr(_label(header, column)) for column in wanted)}.",
                hint="Nothing was sent. Correct one of the two rows.",
            )
    return left_out, f"{len(left_out):,} rows are left out, since {meant} there."


def _either(values: Sequence[str]) -> str:
    return " or ".join(map(repr, values))


def _label(header: Sequence[str], column: int) -> str:
    """What names a column to ``--only``: its heading, or its letter where no or several columns have this heading."""
    heading = header[column].strip()
    return heading if heading and named(header, heading) == [column] else column_letter(column)


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
        return counts if (stays and goes and len(counts) <= MAX_MIXED) or are_statuses(spelled.keys() - {""}) else {}
    if len(counts) == 1:
        return {} if _all_go(words, *spelled) else counts
    return counts if len(counts) <= (MAX_MIXED if stays or goes else MAX_VALUES) else {}


def _all_go(words: Sequence[str], value: str) -> bool:
    """Whether the only value of a column plainly means going, or nothing at all."""
    means_staying = any(map(_STAYING.fullmatch, words)) != any(map(_NEGATION.fullmatch, words))
    return not value or bool((_NO if means_staying else _YES).fullmatch(value)) or bool(_GOING_VALUE.fullmatch(value))


def _normal(cell: str) -> str:
    return cell.strip().casefold()
