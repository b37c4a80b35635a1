"""Refuse a list in groups: with its course or batch in the first row of each only, or with titles between them."""

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

    ``cells``: the columns without headings; ``numbers``: of their rows. If the first row is blank, too, there are no
    groups, and the rows are invalid.
    """
    learners = cells[roles.learner]
    for column in (roles.course, roles.batch):
        ids = cells[column]
        if not ids or not ids[0].strip():
            continue
        blank_count = sum(ids.count(blank) for blank in set(ids) if not blank.strip())
        if _with_id(learners, 2 * blank_count) >= 2 * blank_count:  # fast enough for a million rows, few of them blank
            continue
        blank = [i for i, cell in enumerate(ids) if not cell.strip() and _is_id(learners[i])]
        if not blank or _with_id(learners, 2 * len(blank)) >= 2 * len(blank):
            continue
        raise FileRefused(
            f"{name}, row {numbers[blank[0]]}: column {header[column]!r} is blank, as in {len(blank):,} of "
            f"{_with_id(learners, len(learners)):,} rows with a learner id; it seems to be filled in the first row of "
            "each group only.",
            hint="Fill the blanks down, so that each row has its own ids, and export the file again.",
        )


def refuse_sections(cells: Sequence[Sequence[str]], roles: Roles, numbers: Sequence[int], name: str) -> None:
    """Raise FileRefused if a title stands within the list, which may say that the people below it stay.

    A title is a row with words in one cell alone, with ids in rows above and below it. ``cells``: the columns without
    headings; ``numbers``: of their rows.
    """
    has_ids = [all(map(_is_id, row)) for row in zip(*(cells[column] for column in roles), strict=True)]
    last = max((index for index, is_row in enumerate(has_ids) if is_row), default=-1)
    for index in range(has_ids.index(True) if True in has_ids else 0, last):
        if has_ids[index]:
            continue
        filled = [text for column in cells if (text := column[index].strip())]
        if len(filled) == 1 and any(map(str.isalpha, filled[0])):
            raise FileRefused(
                f"{name}, row {numbers[index]}: {filled[0][:60]!r} stands between the rows of the list, and may say "
                "what the rows below it are for.",
                hint="Nothing was sent. Make two files of it, or take this row out if all rows are meant.",
            )


def _with_id(learners: Sequence[str], max_count: int) -> int:
    """Count the cells with an id, up to ``max_count``."""
    return sum(1 for _ in islice(filter(_is_id, learners), max_count))


def _is_id(cell: str) -> bool:
    return is_id(cell.strip(TRIMMED_CHARACTERS))
