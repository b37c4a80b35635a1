"""Contents that were taken before: which are planned anew, and which are passed over."""

from __future__ import annotations

from bulkremove.app.context import Context
from bulkremove.domain.row import Status
from bulkremove.platform.local_time import local
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
    return "" if is_present_state or (await storage.rows.tally(job.id))[Status.NOT_SENT] else repeated
