"""Read the list of protected learners, who are never removed from any batch, or from one batch.

As long as the list can't be read, nothing is planned or sent.
"""

from __future__ import annotations

from pathlib import Path

from bulkremove.domain.errors import FileRefused
from bulkremove.domain.ids import TRIMMED_CHARACTERS, is_id
from bulkremove.domain.operation import REMOVE_LEARNER
from bulkremove.domain.plan import ProtectedLearners
from bulkremove.domain.rounding import rounding
from bulkremove.domain.row import Removal
from bulkremove.reading import columns, damaged_ids
from bulkremove.reading.grid import Grid
from bulkremove.reading.short_rows import refuse_short_rows


def parse_protected_learners(grid: Grid, path: Path) -> ProtectedLearners:
    """Parse a sheet that has a learner column, and either both a course and a batch column or neither.

    Raises FileRefused.
    """
    header = tuple(damaged_ids.cell_text(column[0]).strip() for column in grid.columns)
    candidates = {role: columns.by_name(header, role) for role in REMOVE_LEARNER.roles}
    unresolved = [role for role, matches in candidates.items() if len(matches) != 1]
    if unresolved not in ([], ["course", "batch"]) or any(len(matches) > 1 for matches in candidates.values()):
        raise FileRefused(
            f"{path.name}, the list of protected learners, needs the columns Course ID, Batch ID and "
            "Learner ID, or Learner ID alone.",
            hint="Correct it; until then nothing is planned or sent.",
        )
    positions = [indexes[0] for role, indexes in candidates.items() if role not in unresolved]
    ids = [_ids(grid, column, header, path) for column in positions]
    shown = [[damaged_ids.cell_text(cell) for cell in column[1:]] for column in grid.columns]
    refuse_short_rows(grid.short_rows, positions, shown, grid.numbers[1:], path.name)
    if sign := rounding(ids[-1], repeated=(ids[0], ids[-1], ids[-1])):
        raise FileRefused(
            f"{path.name}, the list of protected learners: {sign.text}, such as {ids[-1][sign.first]} in row "
            f"{grid.numbers[sign.first + 1]}. {sign.cause} may have rounded them, in which case they protect nobody.",
            hint="Re-enter the ids from Zoho; until then nothing is planned or sent.",
        )
    if not any(map(any, ids)):
        raise FileRefused(
            f"{path.name}, the list of protected learners, names nobody.",
            hint="Add the learners, or delete the file; until then nothing is planned or sent.",
        )
    if unresolved:
        return ProtectedLearners(learners=frozenset(filter(None, ids[0])))
    triples = [triple for triple in zip(*ids, strict=True) if any(triple)]
    removals = frozenset(Removal(*triple) for triple in triples if all(triple))
    everywhere = frozenset(learner for course, batch, learner in triples if not course and not batch)
    if len(removals) + len(everywhere) < len(set(triples)):
        raise FileRefused(
            f"{path.name}: a row has only some of the three ids.", hint="Give all three ids, or the learner id alone."
        )
    return ProtectedLearners(everywhere, removals)


def _ids(grid: Grid, column: int, header: tuple[str, ...], path: Path) -> list[str]:
    damaged_ids.convert_id_columns(grid, [column], 1, path.name, header)
    ids = [damaged_ids.cell_text(cell).strip(TRIMMED_CHARACTERS) for cell in grid.columns[column][1:]]
    for number, cell in zip(grid.numbers[1:], ids, strict=True):
        if cell and not is_id(cell):
            raise FileRefused(
                f"{path.name}, row {number}: the cell in column {header[column]!r} is not an id.",
                hint="Correct it; until then nothing is planned or sent.",
            )
    return ids
