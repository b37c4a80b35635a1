"""Doubts about a plan: signs that its file was damaged, which prove nothing. A person must compare the ids first.

Damage that is certain refuses the file while it is read; these signs may have another cause
(docs/decisions/0011-consent.md). Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from bulkremove.domain.ids import is_id
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.row import Exclusion, Status
from bulkremove.domain.table import Table

MIN_ROUNDED = 2
"""Ids of a column that end in 000, at least. One in a thousand does so by chance, so two of two in a million lists."""
ROUNDED_SHARE = 2
"""At least every second id must end in 000. By chance that is so in one of 100,000 lists (two of four ids)."""
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
    return (*mixed, *_misplaced(table, ids, invalid), *_rounded(table, ids, invalid))


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
    """Columns whose long ids end in 000 far more often than chance makes them.

    Each different id counts once, since a list of one course repeats its id in every row. A row that repeats an earlier
    row counts once more, since rounding makes one id of the ids of several learners.
    """
    doubts = []
    for position, column in enumerate(table.roles):
        cells = ids[position]
        rows = "\n".join([*cells, ""]).count(f"{_ZEROS}\n")
        if rows < MIN_ROUNDED:
            continue
        different = set(cells)
        if rows * ROUNDED_SHARE < sum(map(_MIN_DIGITS.__le__, map(len, different))):  # fast for a million rows
            continue
        counts = Counter({one for one in different if len(one) >= _MIN_DIGITS and is_id(one)})
        if column == table.roles.learner:
            triples = Counter(row for index, row in enumerate(zip(*ids, strict=True)) if index not in invalid)
            for (_, _, one), count in triples.items():
                if one in counts:
                    counts[one] += count - 1
        ending = {one: count for one, count in counts.items() if one.endswith(_ZEROS)}
        if sum(ending.values()) < MIN_ROUNDED or sum(ending.values()) * ROUNDED_SHARE < counts.total():
            continue
        first = next(index for index, cell in enumerate(cells) if cell in ending)
        text = (
            f"Column {table.header[column]!r}: ids end in 000 ({len(ending):,} of {len(counts):,} different ones), "
            f"such as {cells[first]} in row {table.numbers[first]}. A spreadsheet may have rounded them, and a rounded "
            "id may be that of another person."
        )
        doubts.append(Doubt(DoubtCode.ROUNDED_IDS, len(ending), text))
    return doubts


def _named(examples: Sequence[str], found: Sized) -> str:
    """The sentence that names the first of the ids found."""
    more = f"; and {len(found) - len(examples):,} more" if len(found) > len(examples) else ""
    return f"In this list: {'; '.join(examples)}{more}."
