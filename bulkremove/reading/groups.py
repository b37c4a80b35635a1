"""Refuse a list whose course or batch stands in the first row of each group only, as in a pivot table."""

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
        most = sum(ids.count(blank) for blank in set(ids) if not blank.strip())
        if _with_id(learners, 2 * most) >= 2 * most:  # fast enough for a million rows, few of them blank
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


def _with_id(learners: Sequence[str], most: int) -> int:
    """Count the cells with an id, up to ``most``."""
    return sum(1 for _ in islice(filter(_is_id, learners), most))


def _is_id(cell: str) -> bool:
    return is_id(cell.strip(TRIMMED_CHARACTERS))
