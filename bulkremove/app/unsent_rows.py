"""Which rows of a job are worth sending again: not those left out on purpose, or whose people are wanted back.

A row that was not sent may be open, since the job ended first; or the plan or the run has decided not to send it: the
learner is protected, was put back since, or is in the batch under another learner id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bulkremove.domain.attempt import Outcome
from bulkremove.domain.job import Job
from bulkremove.domain.plan import OtherJob
from bulkremove.domain.row import Exclusion, Status
from bulkremove.storage import Storage

NEW_LIST = "To remove them all the same, give a new list."


@dataclass(frozen=True, slots=True)
class UnsentRows:
    """The rows of a job, by number: those ``still_open``, which nothing but the end of a run has kept from being sent.

    ``undone``: those that a later job was made to undo, each with this job.
    """

    job: Job
    still_open: Collection[int]
    undone: Mapping[int, OtherJob]

    @classmethod
    async def of(cls, job: Job, storage: Storage) -> UnsentRows:
        """Read them. They are read before the rows' states, so that a row that ends meanwhile is not left out."""
        still_open = {row.number async for row in storage.rows.open_rows(job.id)}
        return cls(job, still_open, await storage.rows.rows_undone_by_later_jobs(job.id))

    @property
    def numbers(self) -> Collection[int]:
        """The rows that a retry file may hold, as far as they were not sent."""
        return {number for number in self.still_open if number not in self.undone}

    def why_not(self, row: Outcome) -> Exclusion | None:
        """Why a removal is not sent again that nothing has settled; None if it may be."""
        if (other := self.undone.get(row.number)) is not None:
            made = f"{other.named_for(self.job.account)} was made to put this person back."
            return Exclusion(Status.NOT_SENT, f"Since job {self.job.id} was planned, {made} {NEW_LIST}")
        if row.status is Status.NOT_SENT and row.number not in self.still_open:
            return Exclusion(Status.NOT_SENT, f"Job {self.job.id} left this row out. {row.detail}")
        return None
