"""The rows of jobs, and people's notes about them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from bulkremove.domain.attempt import Note, Outcome, PendingRow
from bulkremove.domain.job import Job, Tally
from bulkremove.domain.plan import ProtectedLearners
from bulkremove.domain.row import Status
from bulkremove.storage.interface.records import Record

R = TypeVar("R")


class RowStore(Protocol):
    """Rows, read and counted; what changes a row's state is in ``AttemptStore``, except for ``protect``."""

    async def tally(self, job_id: str, *, as_reported: bool = False) -> Tally:
        """How many rows have which status. ``as_reported``: open rows count as what a report calls them."""
        ...

    async def tallies(self, job_ids: Collection[str]) -> Mapping[str, Tally]:
        """The tallies of several jobs, by job."""
        ...

    async def export(self, job: Job, work: Callable[[Iterator[Outcome]], R]) -> R:
        """What ``work`` makes of all rows in file order. It runs in a thread of its own and may take long.

        In a job that is not over, an open row is given as ``not_sent``, or as ``unknown`` when an attempt may have had
        an effect.
        """
        ...

    async def search(self, job: Job, *, status: Status | None, text: str, offset: int, limit: int) -> list[Outcome]:
        """Rows that have a status and contain a text in some cell (ignoring case), in file order."""
        ...

    def open_rows(self, job_id: str) -> AsyncGenerator[PendingRow]:
        """The rows still to be sent: first those with an open attempt, whose time runs out, then in file order."""
        ...

    async def numbers(self, job_id: str) -> set[int]:
        """The rows' numbers as the spreadsheet shows them."""
        ...

    async def removal_times(self, job_id: str) -> list[float]:
        """When (epoch seconds) each removal was settled, in ascending order."""
        ...

    async def first_call_after(self, job_id: str, thens: Sequence[float]) -> list[float | None]:
        """For each moment (epoch seconds), when the job's first call after it left."""
        ...

    async def add_note(self, job_id: str, number: int, note: Note, *records: Record) -> bool:
        """Keep a person's note about the unknown row of that number; False if the job has none such."""
        ...

    async def unknown_without_note(self, job_id: str) -> int: ...

    async def protect(self, job_id: str, protected: ProtectedLearners, *, why: str, at: float) -> int:
        """Settle the open rows of protected learners, in short transactions; how many there were.

        They are ``not_sent``, or ``unknown`` after an attempt that may have had an effect.
        """
        ...
