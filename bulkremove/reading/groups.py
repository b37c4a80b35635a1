"""Refuse lists laid out in groups.

The course or batch is given only in each group's first row, or title rows separate the groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.ids import TRIMMED_CHARACTERS, is_id
from bulkremove.domain.row import Roles


def refuse_groups(
    cells: Sequence[Sequence[str]], roles: Roles, numbers: Sequence[int], header: Sequence[str], name: str
) -> None:
    """Raise FileRefused if the course or batch is blank in more than half of the rows with a learner id.

    ``cells``: the columns without their headings; ``numbers``: the number of each row. If the first row is blank as
    well, the file has no groups, and its rows are invalid instead.
    """
    learners = cells[roles.learner]
    for column in (roles.course, roles.batch):
        ids = cells[column]
        if not ids or not ids[0].strip():
            continue
        blank_count = sum(ids.count(text) for text in set(ids) if not text.strip())
        if _count_ids(learners, 2 * blank_count) >= 2 * blank_count:  # fast for a million rows, few of them blank
            continue
        blank_rows = [i for i, cell in enumerate(ids) if not cell.strip() and _is_id(learners[i])]
        if not blank_rows or _count_ids(learners, 2 * len(blank_rows)) >= 2 * len(blank_rows):
            continue
        raise FileRefused(
            f"{name}, row {numbers[blank_rows[0]]}: column {header[column]!r} is blank, as in {len(blank_rows):,} "
            f"of {_count_ids(learners, len(learners)):,} rows with a learner id; it seems to be filled in the first "
            "row of each group only.",
            hint="Fill the blanks down, so that each row has its own ids, and export the file again.",
        )


def refuse_sections(cells: Sequence[Sequence[str]], roles: Roles, numbers: Sequence[int], name: str) -> None:
    """Raise FileRefused if there is a title row inside the list.

    It may mean that the people below it must not be removed. A title row has text in only one cell, and rows with ids
    above and below it. ``cells``: the columns without their headings; ``numbers``: the number of each row.
    """
    has_ids = [all(map(_is_id, row)) for row in zip(*(cells[column] for column in roles), strict=True)]
    last = max((index for index, is_row in enumerate(has_ids) if is_row), default=-1)
    for index in range(has_ids.index(True) if True in has_ids else 0, last):
        if has_ids[index]:
            continue
        filled = [text for column in cells if (text := column[index].strip())]
        if len(filled) == 1 and any(map(str.isalpha, filled[0])):
            raise FileRefused(
                f"{name}, row {numbers[index]}: {filled[0][:60]!r} is a title inside the list, and may say what "
                "the rows below it are for.",
                hint="Nothing was sent. Split it into two files, or delete this row if every row should be processed.",
            )


def _count_ids(learners: Sequence[str], max_count: int) -> int:
    """Count the cells that hold an id, up to ``max_count``."""
    return sum(1 for _ in islice(filter(_is_id, learners), max_count))


def _is_id(cell: str) -> bool:
    return is_id(cell.strip(TRIMMED_CHARACTERS))
