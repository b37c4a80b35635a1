"""The rows of jobs, and the notes about them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from bulkremove.domain.attempt import Note, Outcome, PendingRow
from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import Job, Tally
from bulkremove.domain.plan import OtherJob, ProtectedLearners
from bulkremove.domain.row import Removal, Status
from bulkremove.storage.interface.records import Record

R = TypeVar("R")


class RowStore(Protocol):
    """The store of rows and notes. Except for ``protect``, only ``AttemptStore`` changes the state of a row."""

    async def tally(self, job_id: str, *, as_reported: bool = False) -> Tally:
        """Number of rows by status. ``as_reported``: open rows are counted under the status of a report."""
        ...

    async def tallies(self, job_ids: Collection[str]) -> Mapping[str, Tally]:
        """The tallies of several jobs, by job id."""
        ...

    async def export(self, job: Job, work: Callable[[Iterator[Outcome]], R]) -> R:
        """Call ``work`` with all rows in file order; its result. It runs in a thread of its own and may take long.

        An open row of a job that is not over is passed as ``not_sent``, or as ``unknown`` if an attempt may have had an
        effect.
        """
        ...

    async def search(self, job: Job, *, status: Status | None, text: str, offset: int, limit: int) -> list[Outcome]:
        """A page of the rows with this status (None: any) and this text in a cell (ignoring case), in file order."""
        ...

    def open_rows(self, job_id: str) -> AsyncGenerator[PendingRow]:
        """The rows still to be sent, in file order, but first those with an open attempt, whose time runs out."""
        ...

    async def numbers(self, job_id: str) -> set[int]:
        """The numbers of all rows, as the spreadsheet shows them."""
        ...

    async def removal_times(self, job_id: str) -> list[Epoch]:
        """When each removal was settled, in ascending order."""
        ...

    async def response_kinds(self, job_id: str) -> Mapping[str, int]:
        """How many attempts of the job got which kind of response (the values of ``zoho.response_kind``).

        A ``not_found`` that proved an earlier attempt's removal is not counted.
        """
        ...

    async def first_call_after(self, job_id: str, times: Sequence[Epoch]) -> list[Epoch | None]:
        """For each of the times, when the job's first call after it was made; None if there is none."""
        ...

    async def open_elsewhere(
        self, client: str, host: str, operation: str, *, held_since: Epoch
    ) -> Mapping[Removal, OtherJob]:
        """The rows that an operation's jobs of the client's organisation may still send, by their ids, with the job.

        ``held_since``: jobs that wait for approval since before then have expired.
        """
        ...

    async def undone_since(self, job_id: str) -> Mapping[int, OtherJob]:
        """The rows of a removal whose person a job was made to put back since, or the reverse; by their numbers."""
        ...

    async def removed_before(
        self, client: str, host: str, removals: Sequence[Removal]
    ) -> Mapping[Removal, tuple[OtherJob, Epoch, str]]:
        """Which of these removals Zoho confirmed to jobs of the client's organisation: the newest job, and when.

        With the record number of the person, empty where it was not kept.
        """
        ...

    async def changes_since(
        self, job_id: str, batches: Mapping[tuple[str, str], Epoch]
    ) -> Mapping[tuple[str, str], int]:
        """By how many learners other jobs of the job's organisation have changed batches, each since a time.

        By course and batch; one that they have not changed is left out. Removals count negative.
        """
        ...

    async def removals_since(self, client: str, host: str, operation: str, since: Epoch, *, starting: str = "") -> int:
        """How many rows of an operation of a client's organisation were sent since then, or will be by jobs that run.

        What a journal may have lost that was accepted since then counts as well, and so do the rows left of the job
        ``starting``, whatever its state.
        """
        ...

    async def add_note(self, job_id: str, number: int, note: Note, *records: Record) -> bool:
        """Add a note to the unknown row with this number; False if the job has no such row.

        A row that an accepted wording proved to be removed has notes too. One that a learner is still there withdraws
        the accepted wordings that the row was answered with.
        """
        ...

    async def unknown_without_note(self, job_id: str) -> int:
        """Number of unknown rows without a note."""
        ...

    async def protect(self, job_id: str, protected: ProtectedLearners, *, why: str, at: Epoch) -> int:
        """Settle the open rows of protected learners, in short transactions; their number.

        They become ``not_sent``, or ``unknown`` after an attempt that may have had an effect. ``why``: their detail.
        """
        ...
