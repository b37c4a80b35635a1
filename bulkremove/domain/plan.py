"""Plans: what would be done with every row of a table; and the learners who are never removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bulkremove.domain.doubts import Doubt
from bulkremove.domain.hosts import is_sandbox
from bulkremove.domain.listing import Learner
from bulkremove.domain.operation import REMOVE_LEARNER, PlannedOperation
from bulkremove.domain.row import Exclusion, Removal, Row, Status
from bulkremove.domain.table import Table
from bulkremove.domain.wording import Wording


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row of a plan: sent (``removal``) or not sent (``exclusion``); exactly one of the two is set."""

    row: Row
    removal: Removal | None
    exclusion: Exclusion | None
    person: Learner | None = None
    """Who the learner is, by Zoho's list; None where nobody asked for it, or it does not say."""


@dataclass(frozen=True, slots=True, order=True)
class OtherJob:
    """A job that may still send rows of a plan, perhaps one of another account of the same organisation."""

    id: str
    account: str

    def named_for(self, account: str) -> str:
        """The job in a text for the people of an account: of another account's they learn that it is there, no more."""
        return f"job {self.id}" if self.account == account else "a job of another account of this organisation"


def in_words(jobs: Iterable[OtherJob], account: str) -> str:
    """The jobs in a text for the people of an account; empty if there are none."""
    return " and ".join(sorted({job.named_for(account) for job in jobs}))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, row by row; the same object is previewed, confirmed, stored and run.

    ``ids``: the trimmed course, batch and learner columns, as long as the table. ``excluded``: the rows that are not
    sent, by index in the table. ``hash``: SHA-256 (hex) over operation, account, client, host and ordered rows;
    one changed byte gives another hash.
    """

    account: str
    host: str
    table: Table
    ids: tuple[Sequence[str], Sequence[str], Sequence[str]]
    excluded: Mapping[int, Exclusion]
    batches: Mapping[tuple[str, str], int]
    """Removals by (course, batch), in order of first appearance."""
    hash: str
    operation: PlannedOperation = REMOVE_LEARNER
    open_in: Mapping[OtherJob, int] = field(default_factory=dict)
    """By each job that may still send rows of it: how many rows the plan leaves out for that."""
    client: str = ""
    """The identity of the account's client at Zoho; empty where there were no credentials."""
    doubts: tuple[Doubt, ...] = ()
    """Signs that the file was damaged; a person must compare these ids with Zoho before anything is sent."""
    people: Mapping[int, Learner] = field(default_factory=dict)
    """Who the learners are, by index in the table, as far as an enrolment check has told."""
    batch_names: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The names of batches by (course, batch), as far as an enrolment check has told."""
    accepted_wordings: tuple[Wording, ...] = ()
    """The wordings that count as a proven removal besides the documented success, in order."""

    @property
    def doubtful_ids(self) -> int:
        """The number of ids that its doubts are about; who has compared them says this number."""
        return sum(doubt.ids for doubt in self.doubts)

    @property
    def open_in_words(self) -> str:
        """The jobs of ``open_in`` in a text for the people of its account."""
        return in_words(self.open_in, self.account)

    @property
    def removals(self) -> int:
        """The number of removals, which is the number of calls if no row needs a second attempt."""
        return len(self.table) - len(self.excluded)

    @property
    def is_sandbox(self) -> bool:
        """Whether its host can only be a sandbox on this machine."""
        return is_sandbox(self.host)

    @property
    def sent_mismatched(self) -> list[int]:
        """The rows (by index) that are sent, as a person decided, though the file names somebody else than Zoho."""
        return [i for i, person in sorted(self.people.items()) if person.other_email and i not in self.excluded]

    def removal(self, index: int) -> Removal:
        """Return the ids of the row at this index of the table (from 0), even if it is excluded."""
        course, batch, learner = self.ids
        return Removal(course[index], batch[index], learner[index])

    def row(self, index: int) -> PlannedRow:
        """Return the row at this index of the table (from 0)."""
        exclusion = self.excluded.get(index)
        removal = None if exclusion else self.removal(index)
        return PlannedRow(self.table.row(index), removal, exclusion, self.people.get(index))

    def not_sent(self) -> Mapping[Status, int]:
        """Count the rows that are not sent, by reason."""
        return Counter(exclusion.status for exclusion in self.excluded.values())

    def rows(self) -> Iterator[PlannedRow]:
        """Iterate over all rows, in file order."""
        for index, row in enumerate(self.table.rows()):
            exclusion = self.excluded.get(index)
            yield PlannedRow(row, None if exclusion else self.removal(index), exclusion, self.people.get(index))


@dataclass(frozen=True, slots=True)
class ProtectedLearners:
    """Learners who are never removed: from any batch (``learners``), or from one batch (``removals``)."""

    learners: frozenset[str] = frozenset()
    removals: frozenset[Removal] = frozenset()

    def __contains__(self, removal: Removal) -> bool:
        return removal.learner in self.learners or removal in self.removals

    def __len__(self) -> int:
        """The number of entries of the list."""
        return len(self.learners) + len(self.removals)

    def __bool__(self) -> bool:
        return bool(self.learners or self.removals)
