"""Refuse rows of a CSV with fewer fields than the headings, where it can't be known which of them are missing.

Filled up at their end, such rows would have the manager in the learner's column. A program that leaves out blank cells
at the end of a row (Excel does) changes nothing where the ids stand first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.ids import TRIMMED_CHARACTERS, is_id

_NAMED = 5
"""How many rows the message lists."""


def refuse_short_rows(
    fields: Mapping[int, int],
    id_columns: Collection[int],
    cells: Sequence[Sequence[str]],
    numbers: Sequence[int],
    name: str,
) -> None:
    """Raise FileRefused for short rows that would be read as ids although a field may be missing before these.

    ``fields``: by row number, how many fields a short row has; ``cells``: by column, filled up; ``numbers``: of the
    rows. Without a column before an id that holds no id, a field that is missing leaves a row without its ids.
    """
    if not fields or max(id_columns) < len(id_columns):
        return
    doubtful = [
        number
        for index, number in enumerate(numbers)
        if number in fields and all(is_id(cells[column][index].strip(TRIMMED_CHARACTERS)) for column in id_columns)
    ]
    if doubtful:
        rows = ", ".join(map(str, doubtful[:_NAMED])) + (" and more" if len(doubtful) > _NAMED else "")
        raise FileRefused(
            f"{name}: fields are missing, so an id may stand in the wrong column, in row {rows}: "
            f"{fields[doubtful[0]]} fields instead of {len(cells)}.",
            hint="Nothing was sent. Fill each row up, put the id columns first, or save the file as .xlsx.",
        )
