"""The rows that somebody has chosen by the values of columns, as ``COLUMN=VALUE`` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.row import Roles
from bulkremove.domain.table import column_letter
from bulkremove.reading.columns import headings, named
from bulkremove.reading.leaving_dates import AHEAD, PASSED, has_passed, is_blank
from bulkremove.reading.staying_words import plain

ANY = "*"
"""The value of a choice that means any cell that is not blank, unless a cell holds just this."""
ALL = "all"
"""The choice of ``ReadOptions.only`` that means every row, or every row that the other choices leave."""
VALUE_WORDS = {"": "blank", ANY: "any value", PASSED: "a date that has passed", AHEAD: "a later or unclear date"}
"""Values of a choice that are not cells, in words."""


def chosen_values(header: Sequence[str], only: Sequence[str], name: str) -> Mapping[int, Sequence[str]]:
    """The values that were chosen, by column. Raises FileRefused for a choice that fits no column."""
    chosen: dict[int, list[str]] = {}
    for choice in only:
        if choice == ALL:
            continue
        splits = ((choice[:place], choice[place + 1 :]) for place, mark in enumerate(choice) if mark == "=")
        matches = [(named(header, heading.strip()), value.strip()) for heading, value in splits]
        columns = [(columns[0], value) for columns, value in matches if len(columns) == 1]
        if not columns:
            raise FileRefused(
                f"{name}: {choice!r} names no column of this file. Headings found: {headings(header)}.",
                hint="Write COLUMN=VALUE.",
            )
        column, value = columns[-1]
        chosen.setdefault(column, []).append(value)
    return {
        column: [value for value in values if value != ANY or {PASSED, AHEAD}.isdisjoint(values)]
        for column, values in chosen.items()
    }


def rows_not_chosen(
    header: Sequence[str],
    cells: Sequence[Sequence[str]],
    roles: Roles,
    numbers: Sequence[int],
    wanted: Mapping[int, Sequence[str]],
    name: str,
    today: date,
) -> tuple[frozenset[int], str]:
    """The rows that were not meant, and the note. Raises FileRefused for nobody, and for one who stays and goes."""
    left_out: set[int] = set()
    reasons = []
    for column, values in wanted.items():
        present_values = set(map(plain, cells[column]))
        spelled = set(map(plain, values))
        filled = {value for value in present_values if not is_blank(value)}
        passed = (
            {value for value in filled if has_passed(value, today)}
            if PASSED in spelled or AHEAD in spelled
            else set[str]()
        )
        for value, meant in ((ANY, filled), (PASSED, passed), (AHEAD, filled - passed)):
            if value in spelled and value not in present_values:
                spelled |= meant
        shown = " or ".join(VALUE_WORDS.get(value, repr(value)) for value in values)
        if present_values.isdisjoint(spelled):
            raise FileRefused(f"{name}: no row has {shown} in column {header[column]!r}.", hint="Check the choice.")
        left_out.update(index for index, cell in enumerate(cells[column]) if plain(cell) not in spelled)
        others = "blank" if present_values - spelled == {""} else f"not {shown}"
        reasons.append(f"{label_of(header, column)!r} is {others}")
    if len(left_out) == len(numbers):
        raise FileRefused(f"{name}: no row has all the values that were chosen.", hint="Check the choice.")
    triples = list(zip(*(map(str.strip, cells[column]) for column in roles), strict=True))
    staying = {triples[index]: numbers[index] for index in left_out}
    for index, triple in enumerate(triples):
        if index not in left_out and triple in staying:
            raise FileRefused(
                f"{name}: rows {staying[triple]} and {numbers[index]} name the same learner, but only one of them is "
                f"meant by {' and '.join(repr(label_of(header, column)) for column in wanted)}.",
                hint="Nothing was sent. Correct one of the two rows.",
            )
    rows = "1 row is" if len(left_out) == 1 else f"{len(left_out):,} rows are"
    return frozenset(left_out), f"{rows} left out, since {' or '.join(reasons)} there."


def label_of(header: Sequence[str], column: int) -> str:
    """What names a column to ``--only``: its heading, or its letter where no or several columns have this heading."""
    heading = header[column].strip()
    return heading if heading and named(header, heading) == [column] else column_letter(column)
