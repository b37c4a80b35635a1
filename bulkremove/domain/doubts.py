"""Doubts about a plan: signs that its file was damaged, which prove nothing. A person must compare the ids first.

Damage that is certain refuses the file while it is read; these signs may have another cause
(docs/decisions/0011-consent.md). Pure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import islice

from bulkremove.domain.ids import is_id
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.row import Exclusion, Status
from bulkremove.domain.table import Table

MIN_ROUNDED = 2
"""Ids of a column that look rounded, at least."""
_ACCIDENT = 1e-5
"""In how many lists whole ids may look rounded by accident. Two of four ids end in 000 in 6 of a million lists."""
_UNLIKELY = 2.0
"""Fewer than so many times the expected number are no sign."""
_SAMPLE = 10_000
"""Ids that are looked at closely."""
_USUAL_SHARE = 0.9
"""Share of a column's different ids that have the same number of digits, where another number is unusual. Of a few ids,
one may have another number."""
_MIN_DIGITS = 16
"""A spreadsheet keeps 15 digits, and changes no shorter number; Zoho's own ids are longer."""
_ZEROS = "000"
_Ids = tuple[Sequence[str], Sequence[str], Sequence[str]]
"""The trimmed columns of course, batch and learner."""
_EXAMPLES = 3
"""Ids that a text names."""


class DoubtCode(StrEnum):
    """The sign that was found."""

    BATCH_OF_SEVERAL_COURSES = "batch_of_several_courses"
    ID_IN_TWO_COLUMNS = "id_in_two_columns"
    ROUNDED_IDS = "rounded_ids"
    ODD_LENGTHS = "odd_lengths"


@dataclass(frozen=True, slots=True)
class Doubt:
    """A sign of damage: how many different ids show it, and a text that names some of them with their rows."""

    code: DoubtCode
    ids: int
    text: str


def find_doubts(
    table: Table,
    ids: _Ids,
    excluded: Mapping[int, Exclusion],
    batches: Iterable[tuple[str, str]],
) -> tuple[Doubt, ...]:
    """Find the signs of damage in a plan that sends something. All rows count that have three ids.

    ``ids``: the trimmed columns of course, batch and learner; ``excluded``: rows that are not sent, by index;
    ``batches``: the (course, batch) of those that are sent.
    """
    if len(excluded) == len(table):
        return ()
    invalid = frozenset(index for index, exclusion in excluded.items() if exclusion.status is Status.INVALID)
    mixed = _mixed(table, ids, excluded, batches, invalid)
    return (
        *mixed,
        *_misplaced(table, ids, invalid),
        *_rounded(table, ids, invalid),
        *_odd_lengths(table, ids, invalid),
    )


def _mixed(
    table: Table,
    ids: _Ids,
    excluded: Mapping[int, Exclusion],
    batches: Iterable[tuple[str, str]],
    invalid: frozenset[int],
) -> list[Doubt]:
    """Batches that stand under several courses, as they do when one column was sorted without the others."""
    course, batch, _ = ids
    courses: dict[str, set[str]] = {}
    for one_course, one_batch in batches:
        courses.setdefault(one_batch, set()).add(one_course)
    for index in excluded:
        if index not in invalid and batch[index] in courses:
            courses[batch[index]].add(course[index])
    several = [one for one, its_courses in courses.items() if len(its_courses) > 1]
    if not several:
        return []
    examples = []
    for one in several[:_EXAMPLES]:
        first: dict[str, int] = {}
        for index, found in enumerate(batch):
            if found == one and index not in invalid:
                first.setdefault(course[index], table.numbers[index])
                if len(first) > 1:
                    break
        places = " and ".join(f"course {its_course} (row {number})" for its_course, number in first.items())
        examples.append(f"batch {one} under {places}")
    stand = "1 batch stands" if len(several) == 1 else f"{len(several):,} batches stand"
    text = (
        f"{stand} under more than one course, and in Zoho a batch belongs to one: a column may have been sorted "
        f"without the others, which mixes the ids of different people. {_named(examples, several)}"
    )
    return [Doubt(DoubtCode.BATCH_OF_SEVERAL_COURSES, len(several), text)]


def _misplaced(table: Table, ids: _Ids, invalid: frozenset[int]) -> list[Doubt]:
    """Long ids that stand in two columns, as they do when a cell or a part of a list stands in the wrong columns."""
    courses, batches = set(ids[0]), set(ids[1])
    both = (courses & batches) | (courses | batches).intersection(ids[2])  # fast for a million rows
    first: dict[str, dict[str, int]] = {one: {} for one in both if len(one) >= _MIN_DIGITS and is_id(one)}
    if first:
        for index, row in enumerate(zip(*ids, strict=True)):
            for role, one in zip(REMOVE_LEARNER.roles, row, strict=True):
                if one in first and index not in invalid:
                    first[one].setdefault(role, table.numbers[index])
    misplaced = {one: rows for one, rows in first.items() if len(rows) > 1}
    if not misplaced:
        return []
    examples = []
    for one, rows in islice(misplaced.items(), _EXAMPLES):
        places = (f"as {role} id (row {rows[role]})" for role in REMOVE_LEARNER.roles if role in rows)
        examples.append(f"{one} {' and '.join(places)}")
    stand = "1 id stands" if len(misplaced) == 1 else f"{len(misplaced):,} ids stand"
    text = (
        f"{stand} in two columns, and in Zoho no course, batch or learner has the id of another: ids may stand in the "
        f"wrong column. {_named(examples, misplaced)}"
    )
    return [Doubt(DoubtCode.ID_IN_TWO_COLUMNS, len(misplaced), text)]


def _rounded(table: Table, ids: _Ids, invalid: frozenset[int]) -> list[Doubt]:
    """Columns whose long ids look rounded far more often than chance makes them: by a spreadsheet, or by a program.

    Each different id counts once, since a list of one course repeats its id in every row. A row that repeats an earlier
    row counts once more as rounded by a spreadsheet, since rounding makes one id of the ids of several learners.
    """
    doubts = []
    for position, column in enumerate(table.roles):
        cells = ids[position]
        repeated = ids if column == table.roles.learner else None
        if sign := rounding(cells, repeated=repeated, invalid=invalid):
            text = (
                f"Column {table.header[column]!r}: {sign.text}, such as {cells[sign.first]} in row "
                f"{table.numbers[sign.first]}. {sign.cause} may have rounded them, and a rounded id may be that of "
                "another person."
            )
            doubts.append(Doubt(DoubtCode.ROUNDED_IDS, sign.ids, text))
    return doubts


@dataclass(frozen=True, slots=True)
class Rounding:
    """The sign that a column's ids were rounded: how many different ids show it, in words, and the first by index."""

    ids: int
    text: str
    cause: str
    first: int


def rounding(
    cells: Sequence[str], *, repeated: _Ids | None = None, invalid: frozenset[int] = frozenset()
) -> Rounding | None:
    """Whether the long ids among the cells look rounded far more often than chance makes them.

    ``repeated``: all columns, where a row that repeats an earlier one counts once more; ``invalid``: rows that don't.
    """
    different = set(cells)
    signs = [*_ending_in_zeros(cells, different, repeated, invalid), *_doubles(different)]
    if not signs:
        return None
    count, (words, cause), found = max(signs, key=lambda sign: len(sign[2]))
    first = next(index for index, cell in enumerate(cells) if cell in found)
    return Rounding(len(found), f"ids {words} ({len(found):,} of {count:,} different ones)", cause, first)


_END_IN_ZEROS = f"end in {_ZEROS}", "A spreadsheet"
_ARE_DOUBLES = "are numbers that a computer's calculations round to", "A program that read them as numbers"
"""Each sign in words, and what makes it."""


def _ending_in_zeros(
    cells: Sequence[str], different: Collection[str], repeated: _Ids | None, invalid: frozenset[int]
) -> Iterator[tuple[int, tuple[str, str], set[str]]]:
    """The different ids of a column that end in 000, and of how many, if they are too many."""
    chance, rows = 10.0 ** -len(_ZEROS), "\n".join([*cells, ""]).count(f"{_ZEROS}\n")  # fast for a million rows
    if rows < MIN_ROUNDED:
        return
    most = sum(count for length, count in Counter(map(len, different)).items() if length >= _MIN_DIGITS)
    if rows <= _UNLIKELY * chance * most:
        return
    counts = Counter(filter(_is_long_id, different))
    count = len(counts)
    if repeated:
        triples = Counter(row for index, row in enumerate(zip(*repeated, strict=True)) if index not in invalid)
        for (_, _, one), rows_of_it in triples.items():
            if one in counts:
                counts[one] += rows_of_it - 1
    found = {one for one in counts if one.endswith(_ZEROS)}
    if _is_unlikely(sum(counts[one] for one in found), counts.total(), chance):
        yield count, _END_IN_ZEROS, found


def _doubles(different: Collection[str]) -> Iterator[tuple[int, tuple[str, str], set[str]]]:
    """The different ids of a column that are numbers of double precision, and of how many, if they are too many.

    Of the ids between two such numbers, one is such a number, and one is how such a number is shown.
    """
    sample = set(filter(_is_long_id, islice(different, None, None, max(1, len(different) // _SAMPLE))))
    chance = max((2.0 / math.ulp(float(one)) for one in sample), default=1.0)
    found = set(filter(_is_double, sample))
    if _is_unlikely(len(found), len(sample), chance):
        yield len(sample), _ARE_DOUBLES, found


def _is_long_id(one: str) -> bool:
    return len(one) >= _MIN_DIGITS and is_id(one)


def _is_double(one: str) -> bool:
    """Whether a number of double precision is the id exactly, or is shown as it with zeros for its last digits."""
    number = float(one)
    return int(number) == int(one) or int(Decimal(repr(number))) == int(one)


def _is_unlikely(found: int, count: int, chance: float) -> bool:
    """Whether at least ``found`` of ``count`` happen by accident in fewer than one of 100,000 lists."""
    if found < MIN_ROUNDED or chance >= 1.0 or found <= _UNLIKELY * chance * count:
        return False
    ways = math.lgamma(count + 1) - math.lgamma(found + 1) - math.lgamma(count - found + 1)
    return ways + found * math.log(chance) + (count - found) * math.log1p(-chance) < math.log(_ACCIDENT)


def _odd_lengths(table: Table, ids: _Ids, invalid: frozenset[int]) -> list[Doubt]:
    """Ids with more or fewer digits than nearly all of their column, as a lost digit or a footnote mark makes them."""
    doubts = []
    for position, column in enumerate(table.roles):
        cells = ids[position]
        lengths = Counter(map(len, cells))
        if len(lengths) == 1 or not cells:
            continue
        counts = Counter(len(one) for one in set(cells) if is_id(one))
        usual, most = counts.most_common(1)[0] if counts else (0, 0)
        odd = {one for one in set(cells) if is_id(one) and len(one) != usual}
        are_few = most >= _USUAL_SHARE * counts.total() or (len(odd) == 1 and most > 1)
        if usual < _MIN_DIGITS or not odd or not are_few:
            continue
        first = next((index for index, cell in enumerate(cells) if cell in odd and index not in invalid), None)
        if first is None:
            continue
        text = (
            f"Column {table.header[column]!r}: {len(odd):,} of {counts.total():,} different ids have another number of "
            f"digits than {usual}, such as {cells[first]} in row {table.numbers[first]}. A digit may be missing, or "
            "something else may have been added."
        )
        doubts.append(Doubt(DoubtCode.ODD_LENGTHS, len(odd), text))
    return doubts


def _named(examples: Sequence[str], found: Sized) -> str:
    """The sentence that names the first of the ids found."""
    more = f"; and {len(found) - len(examples):,} more" if len(found) > len(examples) else ""
    return f"In this list: {'; '.join(examples)}{more}."
