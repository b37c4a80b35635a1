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

from bulkremove.domain.email_addresses import addresses_in
from bulkremove.domain.ids import is_id
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.rounding import MIN_DIGITS, Ids, rounding
from bulkremove.domain.row import Exclusion, Status
from bulkremove.domain.table import Table

_USUAL_SHARE = 0.9
"""Share of a column's different ids that have the same number of digits, where another number is unusual. Of a few ids,
one may have another number."""
MIN_USUAL_DIGITS = 12
"""Zoho's ids have more digits; a row number, an employee id or a telephone number has fewer."""
_EXAMPLES = 3
"""Ids that a text names."""


class DoubtCode(StrEnum):
    """The sign that was found."""

    BATCH_OF_SEVERAL_COURSES = "batch_of_several_courses"
    ID_IN_TWO_COLUMNS = "id_in_two_columns"
    ROUNDED_IDS = "rounded_ids"
    ODD_LENGTHS = "odd_lengths"
    SHORT_IDS = "short_ids"
    LEARNER_OF_SEVERAL_ADDRESSES = "learner_of_several_addresses"
    NOBODY_LISTED = "nobody_listed"
    OTHER_BATCH_NAME = "other_batch_name"


@dataclass(frozen=True, slots=True)
class Doubt:
    """A sign of damage: how many different ids show it, and a text that names some of them with their rows."""

    code: DoubtCode
    ids: int
    text: str


def find_doubts(
    table: Table,
    ids: Ids,
    excluded: Mapping[int, Exclusion],
    batches: Iterable[tuple[str, str]],
    email_column: int | None = None,
    *,
    is_sandbox: bool = False,
) -> tuple[Doubt, ...]:
    """Find the signs of damage in a plan that sends something. All rows count that have three ids.

    ``ids``: the trimmed columns of course, batch and learner; ``excluded``: rows that are not sent, by index;
    ``batches``: the (course, batch) of those that are sent; ``email_column``: of the learners' addresses, if known;
    ``is_sandbox``: ids may have any length there.
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
        *(() if is_sandbox else _short(table, ids, invalid)),
        *_several_addresses(table, ids[2], excluded, email_column),
    )


def _mixed(
    table: Table,
    ids: Ids,
    excluded: Mapping[int, Exclusion],
    batches: Iterable[tuple[str, str]],
    invalid: frozenset[int],
) -> list[Doubt]:
    """Batches that occur under several courses, as they do when one column was sorted without the others."""
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


def _misplaced(table: Table, ids: Ids, invalid: frozenset[int]) -> list[Doubt]:
    """Long ids that occur in two columns, as they do when a cell or a part of a list is in the wrong columns."""
    courses, batches = set(ids[0]), set(ids[1])
    both = (courses & batches) | (courses | batches).intersection(ids[2])  # fast for a million rows
    both = {id_text for id_text in both if len(id_text) >= MIN_DIGITS and is_id(id_text)}
    first: dict[str, dict[str, int]] = {}  # in the order of the rows, for the plan's hash is the same in each process
    if both:
        for index, row in enumerate(zip(*ids, strict=True)):
            for role, id_text in zip(REMOVE_LEARNER.roles, row, strict=True):
                if id_text in both and index not in invalid:
                    first.setdefault(id_text, {}).setdefault(role, table.numbers[index])
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


def _rounded(table: Table, ids: Ids, invalid: frozenset[int]) -> list[Doubt]:
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


def _odd_lengths(table: Table, ids: Ids, invalid: frozenset[int]) -> list[Doubt]:
    """Ids with more or fewer digits than nearly all of their column, as a lost digit or a footnote mark makes them."""
    doubts = []
    for position, column in enumerate(table.roles):
        cells = ids[position]
        if len(set(map(len, cells))) <= 1:  # fast for a million rows
            continue
        counts = Counter(len(id_text) for id_text in set(cells) if is_id(id_text))
        common_length, common_count = counts.most_common(1)[0] if counts else (0, 0)
        odd = {id_text for id_text in set(cells) if is_id(id_text) and len(id_text) != common_length}
        are_few = common_count >= _USUAL_SHARE * counts.total() or (len(odd) == 1 and common_count > 1)
        if common_length < MIN_DIGITS or not odd or not are_few:
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


def _short(table: Table, ids: Ids, invalid: frozenset[int]) -> list[Doubt]:
    """Columns whose ids all have far fewer digits than Zoho's: they may be other numbers."""
    doubts = []
    for position, column in enumerate(table.roles):
        cells = ids[position]
        if 0 not in invalid and len(cells[0]) >= MIN_USUAL_DIGITS:
            continue  # fast for a million rows
        valid = {cell for index, cell in enumerate(cells) if index not in invalid} if invalid else set(cells)
        if max(map(len, valid)) >= MIN_USUAL_DIGITS:
            continue
        first = next(index for index in range(len(cells)) if index not in invalid)
        text = (
            f"Column {table.header[column]!r}: {len(valid):,} different {'id has' if len(valid) == 1 else 'ids have'} "
            f"fewer than {MIN_USUAL_DIGITS} digits, such as {cells[first]} in row {table.numbers[first]}. Zoho's own "
            "ids are longer: these may be row numbers or employee ids."
        )
        doubts.append(Doubt(DoubtCode.SHORT_IDS, len(valid), text))
    return doubts


def _several_addresses(
    table: Table, learners: Sequence[str], excluded: Mapping[int, Exclusion], email_column: int | None
) -> list[Doubt]:
    """Learners who occur beside different e-mail addresses, as they do when a column was shifted without the others.

    Rows about which a person or an enrolment check has decided don't count.
    """
    if email_column is None or len(set(learners)) == len(learners):
        return []
    decided = {index for index, one in excluded.items() if one.status in (Status.INVALID, Status.IDENTITY_MISMATCH)}
    cells, first, several = table.columns[email_column], dict[str, int](), dict[str, tuple[int, int]]()
    for index, (learner, cell) in enumerate(zip(learners, cells, strict=True)):
        if "@" not in cell or index in decided or index in table.included:
            continue
        earlier = first.setdefault(learner, index)
        if cell != cells[earlier] and learner not in several:
            own, others = addresses_in(cell), addresses_in(cells[earlier])
            if own and others and set(own).isdisjoint(others):
                several[learner] = table.numbers[earlier], table.numbers[index]
    if not several:
        return []
    examples = [f"{learner} in rows {rows[0]} and {rows[1]}" for learner, rows in islice(several.items(), _EXAMPLES)]
    subject = "1 learner stands" if len(several) == 1 else f"{len(several):,} learners stand"
    text = (
        f"{subject} beside different e-mail addresses: a column may have been sorted or shifted without the others, "
        f"which gives a person the id of another. {_examples_text(examples, several)}"
    )
    return [Doubt(DoubtCode.LEARNER_OF_SEVERAL_ADDRESSES, len(several), text)]


def _examples_text(examples: Sequence[str], rounded: Sized) -> str:
    """The sentence that names the first of the ids found."""
    more = f"; and {len(rounded) - len(examples):,} more" if len(rounded) > len(examples) else ""
    return f"In this list: {'; '.join(examples)}{more}."
