"""Contents that were taken before: which are planned anew, and which are passed over."""

from __future__ import annotations

from collections.abc import Iterator

from bulkremove.app.context import Context
from bulkremove.domain.attempt import Outcome
from bulkremove.domain.clock import Epoch
from bulkremove.domain.job import Job
from bulkremove.domain.row import Status
from bulkremove.platform.local_time import local
from bulkremove.storage import Storage
from bulkremove.storage.interface.nightly import TakenFile


async def skip_reason(earlier: TakenFile, context: Context, *, is_export: bool, is_present_state: bool = False) -> str:
    """Why a content that was taken before is not planned anew, in sentences; empty if it is.

    ``is_export``: its source has all contents again each night, changed or not. An export is passed over only if
    nothing of its last job is left to do: one that was stopped is planned anew, and so is an export that was another
    one meanwhile, since who was enrolled again may have left again. ``is_present_state``: the source names enrolments
    that Zoho has now, so one that its last job was to remove is there again, or still.
    """
    if not (earlier.job or earlier.held):
        return ""
    repeated = f"Its content was taken before, as {earlier.name} on {local(earlier.taken_at):%Y-%m-%d %H:%M}."
    if not is_export:
        return repeated
    storage, key = context.storage, {"night": context.night.name, "sandbox": context.settings.sandbox_host}
    if earlier.job is None or await storage.nightly.newest_taken(**key, now=context.clock.wall()) != earlier.digest:
        return ""
    job = await storage.jobs.get(earlier.job)
    if not job.state.is_over:
        return f"{repeated} Job {job.id} of it is {job.state.value}."
    return "" if is_present_state or await _has_rows_left(job, storage) else repeated


async def planned_before(earlier: TakenFile | None, context: Context) -> Epoch | None:
    """When the plan was made whose content an export has again, unchanged; None for another content.

    The new plan counts from then, as a retry does: it is no newer decision about people whom a job removed, or was made
    to put back, since.
    """
    if earlier is None or not earlier.job:
        return None
    storage, key = context.storage, {"night": context.night.name, "sandbox": context.settings.sandbox_host}
    if await storage.nightly.newest_taken(**key, now=context.clock.wall()) != earlier.digest:
        return None
    return (await storage.jobs.get(earlier.job)).planned_at


async def _has_rows_left(job: Job, storage: Storage) -> bool:
    """Whether a job has rows that were not sent, but for those of people whom a later job was made to put back."""
    not_sent = (await storage.rows.tally(job.id))[Status.NOT_SENT]
    if not not_sent:
        return False
    undone = await storage.rows.rows_undone_by_later_jobs(job.id)

    def count(rows: Iterator[Outcome]) -> int:
        return sum(row.status is Status.NOT_SENT and row.number in undone for row in rows)

    return not_sent > await storage.rows.export(job, count)
