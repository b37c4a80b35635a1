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
    several = [id_text for id_text, its_courses in courses.items() if len(its_courses) > 1]
    if not several:
        return []
    examples = []
    for id_text in several[:_EXAMPLES]:
        first: dict[str, int] = {}
        for index, batch_id in enumerate(batch):
            if batch_id == id_text and index not in invalid:
                first.setdefault(course[index], table.numbers[index])
                if len(first) > 1:
                    break
        places = " and ".join(f"course {its_course} (row {number})" for its_course, number in first.items())
        examples.append(f"batch {id_text} under {places}")
    subject = "1 batch stands" if len(several) == 1 else f"{len(several):,} batches stand"
    text = (
        f"{subject} under more than one course, and in Zoho a batch belongs to one: a column may have been sorted "
        f"without the others, which mixes the ids of different people. {_examples_text(examples, several)}"
    )
    return [Doubt(DoubtCode.BATCH_OF_SEVERAL_COURSES, len(several), text)]


def _misplaced(table: Table, ids: _Ids, invalid: frozenset[int]) -> list[Doubt]:
    """Long ids that stand in two columns, as they do when a cell or a part of a list stands in the wrong columns."""
    courses, batches = set(ids[0]), set(ids[1])
    both = (courses & batches) | (courses | batches).intersection(ids[2])  # fast for a million rows
    first: dict[str, dict[str, int]] = {
        id_text: {} for id_text in both if len(id_text) >= _MIN_DIGITS and is_id(id_text)
    }
    if first:
        for index, row in enumerate(zip(*ids, strict=True)):
            for role, id_text in zip(REMOVE_LEARNER.roles, row, strict=True):
                if id_text in first and index not in invalid:
                    first[id_text].setdefault(role, table.numbers[index])
    misplaced = {id_text: rows for id_text, rows in first.items() if len(rows) > 1}
    if not misplaced:
        return []
    examples = []
    for id_text, rows in islice(misplaced.items(), _EXAMPLES):
        places = (f"as {role} id (row {rows[role]})" for role in REMOVE_LEARNER.roles if role in rows)
        examples.append(f"{id_text} {' and '.join(places)}")
    subject = "1 id stands" if len(misplaced) == 1 else f"{len(misplaced):,} ids stand"
    text = (
        f"{subject} in two columns, and in Zoho no course, batch or learner has the id of another: ids may stand in "
        f"the wrong column. {_examples_text(examples, misplaced)}"
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
    count, (words, cause), rounded = max(signs, key=lambda sign: len(sign[2]))
    first = next(index for index, cell in enumerate(cells) if cell in rounded)
    return Rounding(len(rounded), f"ids {words} ({len(rounded):,} of {count:,} different ones)", cause, first)


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
    long_id_count = sum(count for length, count in Counter(map(len, different)).items() if length >= _MIN_DIGITS)
    if rows <= _UNLIKELY * chance * long_id_count:
        return
    counts = Counter(filter(_is_long_id, different))
    count = len(counts)
    if repeated:
        triples = Counter(row for index, row in enumerate(zip(*repeated, strict=True)) if index not in invalid)
        for (_, _, id_text), rows_of_it in triples.items():
            if id_text in counts:
                counts[id_text] += rows_of_it - 1
    rounded = {id_text for id_text in counts if id_text.endswith(_ZEROS)}
    if _is_unlikely(sum(counts[id_text] for id_text in rounded), counts.total(), chance):
        yield count, _END_IN_ZEROS, rounded


def _doubles(different: Collection[str]) -> Iterator[tuple[int, tuple[str, str], set[str]]]:
    """The different ids of a column that are numbers of double precision, and of how many, if they are too many.

    Of the ids between two such numbers, one is such a number, and one is how such a number is shown.
    """
    sample = set(filter(_is_long_id, islice(different, None, None, max(1, len(different) // _SAMPLE))))
    chance = max((2.0 / math.ulp(float(id_text)) for id_text in sample), default=1.0)
    rounded = set(filter(_is_double, sample))
    if _is_unlikely(len(rounded), len(sample), chance):
        yield len(sample), _ARE_DOUBLES, rounded


def _is_long_id(id_text: str) -> bool:
    return len(id_text) >= _MIN_DIGITS and is_id(id_text)


def _is_double(id_text: str) -> bool:
    """Whether a number of double precision is the id exactly, or is shown as it with zeros for its last digits."""
    number = float(id_text)
    return int(number) == int(id_text) or int(Decimal(repr(number))) == int(id_text)


def _is_unlikely(hits: int, count: int, chance: float) -> bool:
    """Whether at least ``hits`` of ``count`` happen by accident in fewer than one of 100,000 lists."""
    if hits < MIN_ROUNDED or chance >= 1.0 or hits <= _UNLIKELY * chance * count:
        return False
    ways = math.lgamma(count + 1) - math.lgamma(hits + 1) - math.lgamma(count - hits + 1)
    return ways + hits * math.log(chance) + (count - hits) * math.log1p(-chance) < math.log(_ACCIDENT)


def _odd_lengths(table: Table, ids: _Ids, invalid: frozenset[int]) -> list[Doubt]:
    """Ids with more or fewer digits than nearly all of their column, as a lost digit or a footnote mark makes them."""
    doubts = []
    for position, column in enumerate(table.roles):
        cells = ids[position]
        lengths = Counter(map(len, cells))
        if len(lengths) == 1 or not cells:
            continue
        counts = Counter(len(id_text) for id_text in set(cells) if is_id(id_text))
        common_length, common_count = counts.most_common(1)[0] if counts else (0, 0)
        odd = {id_text for id_text in set(cells) if is_id(id_text) and len(id_text) != common_length}
        are_few = common_count >= _USUAL_SHARE * counts.total() or (len(odd) == 1 and common_count > 1)
        if common_length < _MIN_DIGITS or not odd or not are_few:
            continue
        first = next((index for index, cell in enumerate(cells) if cell in odd and index not in invalid), None)
        if first is None:
            continue
        text = (
            f"Column {table.header[column]!r}: {len(odd):,} of {counts.total():,} different ids have another number of "
            f"digits than {common_length}, such as {cells[first]} in row {table.numbers[first]}. A digit may be "
            "missing, or something else may have been added."
        )
        doubts.append(Doubt(DoubtCode.ODD_LENGTHS, len(odd), text))
    return doubts


def _examples_text(examples: Sequence[str], rounded: Sized) -> str:
    """The sentence that names the first of the ids found."""
    more = f"; and {len(rounded) - len(examples):,} more" if len(rounded) > len(examples) else ""
    return f"In this list: {'; '.join(examples)}{more}."
