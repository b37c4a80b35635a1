"""The list of those who are never removed: learners wherever they are, or in one batch only.

A list that can't be read is refused, and with it everything that it should protect from.
"""

from __future__ import annotations

from pathlib import Path

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.ids import MAX_ID_DIGITS, OUTER
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.plan import ProtectedLearners
from bulkremove.domain.row import Removal
from bulkremove.reading import columns, damaged_ids
from bulkremove.reading.grid import Grid


def protected_learners(grid: Grid, path: Path) -> ProtectedLearners:
    """From a sheet with a learner column, and course and batch columns or neither. Raises FileRefused."""
    header = tuple(damaged_ids.shown(column[0]).strip() for column in grid.columns)
    places = {role: columns.by_name(header, role) for role in REMOVE_LEARNER.roles}
    missing = [role for role, found in places.items() if len(found) != 1]
    if missing not in ([], ["course", "batch"]) or any(len(found) > 1 for found in places.values()):
        raise FileRefused(
            f"{path.name}, the list of those who are never removed, needs the columns Course ID, Batch ID and "
            "Learner ID, or Learner ID alone.",
            hint="Mend it; until then nothing is planned or sent.",
        )
    ids = [_ids(grid, places[role][0], header, path) for role in places if role not in missing]
    if missing:
        return ProtectedLearners(learners=frozenset(filter(None, ids[0])))
    triples = [triple for triple in zip(*ids, strict=True) if any(triple)]
    whole = frozenset(Removal(*triple) for triple in triples if all(triple))
    everywhere = frozenset(learner for course, batch, learner in triples if not course and not batch)
    if len(whole) + len(everywhere) < len(set(triples)):
        raise FileRefused(f"{path.name}: a row has some of the three ids only.", hint="Give all three, or the learner.")
    return ProtectedLearners(everywhere, whole)


def _ids(grid: Grid, column: int, header: tuple[str, ...], path: Path) -> list[str]:
    damaged_ids.undamaged(grid, column, 1, path.name, header[column])
    found = [damaged_ids.shown(cell).strip(OUTER) for cell in grid.columns[column][1:]]
    for number, cell in zip(grid.numbers[1:], found, strict=True):
        if cell and not (cell.isascii() and cell.isdigit() and len(cell) <= MAX_ID_DIGITS):
            raise FileRefused(
                f"{path.name}, row {number}: {header[column]!r} holds no id.",
                hint="Mend it; until then nothing is planned or sent.",
            )
    return found
