"""The rows of jobs, and the notes about them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from bulkremove.domain.attempt import Note, Outcome, PendingRow
from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import Job, Tally
from bulkremove.domain.plan import OtherJob, ProtectedLearners
from bulkremove.domain.row import Removal, RowState, Status
from bulkremove.storage.interface.records import PastRemoval, Record

R = TypeVar("R")


class RowStore(Protocol):
    """The store of rows and notes. Only ``settle_protected`` and ``AttemptStore`` change the state of a row."""

    async def tally(self, job_id: str, *, as_reported: bool = False) -> Tally:
        """Return the number of rows by status. ``as_reported``: count open rows under their status in a report."""
        ...

    async def tallies(self, job_ids: Collection[str]) -> Mapping[str, Tally]:
        """Return the tallies of several jobs, by job id."""
        ...

    async def export(self, job: Job, work: Callable[[Iterator[Outcome]], R]) -> R:
        """Call ``work`` with all rows in file order and return its result. It runs in its own thread and may take long.

        An open row of a job that is not over is passed as ``not_sent``, or as ``unknown`` if an attempt may have had an
        effect.
        """
        ...

    async def search(
        self,
        job: Job,
        *,
        status: Status | RowState | None,
        text: str,
        limit: int,
        offset: int = 0,
        after: int = -1,
        as_reported: bool = True,
    ) -> list[Outcome]:
        """Return a page of the rows with this status (None: any) and text, in file order.

        The text is looked for in the cells and in what is known of the person, ignoring case.
        ``after``: a position; only rows after it. ``as_reported``: whether an open row counts with the status that a
        report written now would give it; else, as long as the job can send it, with its ``RowState``.
        """
        ...

    def open_rows(self, job_id: str) -> AsyncGenerator[PendingRow]:
        """Iterate over the rows still to be sent, in file order.

        Those with an open attempt come first, since its time runs out.
        """
        ...

    async def numbers(self, job_id: str) -> set[int]:
        """Return the numbers of all rows, as the spreadsheet shows them."""
        ...

    async def removal_times(self, job_id: str) -> list[Epoch]:
        """Return the time at which each removal was settled, in ascending order."""
        ...

    async def response_kinds(self, job_id: str) -> Mapping[str, int]:
        """Count the attempts of the job by kind of response (the values of ``zoho.response_kind``).

        A ``not_found`` that proved an earlier attempt's removal is not counted.
        """
        ...

    async def first_call_after(self, job_id: str, times: Sequence[Epoch]) -> list[Epoch | None]:
        """Return, for each of the times, when the job made its first call after it; None if it made none."""
        ...

    async def open_elsewhere(
        self, client: str, host: str, operation: str, *, held_since: Epoch
    ) -> Mapping[Removal, OtherJob]:
        """Return the rows that jobs of the operation in the client's organisation may still send: the job, by removal.

        ``held_since``: jobs that have been waiting for approval since before this time have expired.
        """
        ...

    async def rows_undone_by_later_jobs(self, job_id: str) -> Mapping[int, OtherJob]:
        """Return, by row number, the later job made to undo the row: to enrol the removed person, or the reverse."""
        ...

    async def removed_before(
        self, client: str, host: str, removals: Sequence[Removal]
    ) -> Mapping[Removal, PastRemoval]:
        """Return which of these removals jobs of the client's organisation have made: the newest of each."""
        ...

    async def people_put_back(
        self, client: str, host: str, removals: Mapping[Removal, str]
    ) -> Mapping[Removal, OtherJob]:
        """Return whom of these removals the newest decision of a job wants in the batch, each with this job.

        ``removals``: each with the person's record number, empty where it is not known. Jobs of the client's
        organisation count that were made to put people back, and none that was made later has removed the person.
        """
        ...

    async def changes_since(
        self, job_id: str, since_by_batch: Mapping[tuple[str, str], Epoch]
    ) -> Mapping[tuple[str, str], int]:
        """Return by how many learners other jobs of the organisation have changed each batch since its time.

        The keys are (course, batch); unchanged batches are left out. A removal counts as -1.
        """
        ...

    async def count_sent_or_to_be_sent(
        self, client: str, host: str, operation: str, since: Epoch, *, starting: str = ""
    ) -> int:
        """Count an operation's rows in the client's organisation that were sent since then, or are still to be sent.

        A row is still to be sent if its job is ready, or has been run since an hour before then, or is ``starting``,
        whatever its state. What a restored journal may have lost counts as well, if it was accepted since then.
        """
        ...

    async def add_note(self, job_id: str, number: int, note: Note, *records: Record) -> bool:
        """Add a note to the unknown row with this number; False if the job has no such row.

        A row that an accepted wording proved to be removed may have notes too. A note that the learner is still there
        withdraws the accepted wordings of the row's responses.
        """
        ...

    async def unknown_without_note(self, job_id: str) -> int:
        """Return the number of unknown rows without a note."""
        ...

    async def settle_protected(self, job_id: str, protected: ProtectedLearners, *, why: str, at: Epoch) -> int:
        """Settle the open rows of protected learners, in short transactions, and return their number.

        They become ``not_sent``, or ``unknown`` if an attempt may have had an effect. ``why``: their detail.
        """
        ...
