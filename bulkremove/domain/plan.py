"""Plans: what would be done with every row of a table, and who is never removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bulkremove.domain.hosts import is_sandbox
from bulkremove.domain.operation import REMOVE_LEARNER, Operation
from bulkremove.domain.row import Exclusion, Removal, Row, Status
from bulkremove.domain.table import Table


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row of a plan: to be sent (``removal``), or not (``exclusion``); exactly one of the two is set."""

    row: Row
    removal: Removal | None
    exclusion: Exclusion | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, row by row; the same object is previewed, confirmed, stored and run.

    ``ids`` are the trimmed course, batch and learner columns, as long as the table; ``excluded`` names the rows
    (by index in the table) that are not sent. ``fingerprint`` is the SHA-256 (hex) over operation, account,
    host and the ordered rows: one changed byte makes another plan.
    """

    account: str
    host: str
    table: Table
    ids: tuple[Sequence[str], Sequence[str], Sequence[str]]
    excluded: Mapping[int, Exclusion]
    batches: Mapping[tuple[str, str], int]
    """Removals by (course, batch), in order of first appearance."""
    fingerprint: str
    operation: Operation = REMOVE_LEARNER

    @property
    def removals(self) -> int:
        """How many calls the plan makes when each row is answered at once."""
        return len(self.table) - len(self.excluded)

    @property
    def sandbox(self) -> bool:
        return is_sandbox(self.host)

    def removal(self, index: int) -> Removal:
        course, batch, learner = self.ids
        return Removal(course[index], batch[index], learner[index])

    def row(self, index: int) -> PlannedRow:
        """The row at that place of the table, from 0."""
        exclusion = self.excluded.get(index)
        return PlannedRow(self.table.row(index), None if exclusion else self.removal(index), exclusion)

    def not_sent(self) -> Mapping[Status, int]:
        """How many rows are not sent, by the reason."""
        return Counter(exclusion.status for exclusion in self.excluded.values())

    def rows(self) -> Iterator[PlannedRow]:
        """Every row of the file, in file order."""
        for index, row in enumerate(self.table.rows()):
            exclusion = self.excluded.get(index)
            yield PlannedRow(row, None if exclusion else self.removal(index), exclusion)


@dataclass(frozen=True, slots=True)
class ProtectedLearners:
    """Who is never removed: learners wherever they are, and learners in one batch."""

    learners: frozenset[str] = frozenset()
    removals: frozenset[Removal] = frozenset()

    def __contains__(self, removal: Removal) -> bool:
        return removal.learner in self.learners or removal in self.removals

    def __bool__(self) -> bool:
        return bool(self.learners or self.removals)
