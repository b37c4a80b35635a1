"""Which rows of a job are worth sending again: not those left out on purpose, or whose people are wanted back.

A row that was not sent may be open, since the job ended first; or the plan or the run has decided not to send it: the
learner is protected, was put back since, or is in the batch under another learner id.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bulkremove.domain.job import Job
from bulkremove.domain.plan import OtherJob
from bulkremove.storage import Storage


async def numbers_still_open(job: Job, storage: Storage) -> Collection[int]:
    """The numbers of the rows that nothing but the end of a run has kept from being sent, or settled."""
    return {row.number async for row in storage.rows.open_rows(job.id)}


async def numbers_undone(job: Job, storage: Storage) -> Mapping[int, OtherJob]:
    """The numbers of the rows that a later job was made to undo, each with this job."""
    return await storage.rows.rows_undone_by_later_jobs(job.id)


async def numbers_to_send_again(job: Job, storage: Storage) -> Collection[int]:
    """The numbers of the rows that a retry file may hold, as far as they were not sent."""
    undone = await numbers_undone(job, storage)
    return {number for number in await numbers_still_open(job, storage) if number not in undone}
