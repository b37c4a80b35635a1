"""The cap on removals of a calendar day: what counts for today, and whether a job may go on under it."""

from __future__ import annotations

from bulkremove.app.context import Context
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import ConsentMissing
from bulkremove.domain.job import Job, JobState
from bulkremove.platform.local_time import day_begin


def start_of_today(context: Context) -> Epoch:
    """When this machine's calendar day began, or later: a bundled sandbox has removed nobody before its start."""
    return max(day_begin(context.clock.wall()), context.counted_from)


async def removals_today(context: Context, client: str, host: str, *, starting: str = "") -> int:
    """How many removals of this calendar day were sent, or confirmed and are still to be sent.

    Those that a journal may have lost that was accepted today count as well. ``starting``: a job whose rows left count,
    once, whatever its state.
    """
    storage = context.storage
    if not client or not storage.exists:
        return 0
    return await storage.rows.removals_since(client, host, start_of_today(context), starting=starting)


async def daily_cap_problem(context: Context, job: Job, rows_left: int, *, cap: int, extra_removals: int = 0) -> str:
    """Why the job may not go on today, in a sentence; empty if it may. ``extra_removals``: removals that count besides.

    An approval is a person's word for the run that follows it, which may exceed the cap on the day on which it runs.
    The waits that the plan announced, for the time window or the day's allowance, belong to that run; a kill does not.
    """
    events = await context.storage.jobs.events(job.id)
    last_decision = next((name for _, name, _ in reversed(events) if name in ("approved", "held")), "")
    is_of_approved_run = (
        job.state is JobState.READY or job.is_in_announced_wait or job.driven_at >= start_of_today(context)
    )
    is_paused_by_person = job.state is JobState.PAUSED and not job.auto_resumable
    if not rows_left or (last_decision == "approved" and is_of_approved_run and not is_paused_by_person):
        return ""
    return await cap_problem(context, job, rows_left, cap=cap, extra_removals=extra_removals)


async def cap_problem(context: Context, job: Job, rows_left: int, *, cap: int, extra_removals: int = 0) -> str:
    """Why the rows left exceed the cap of today, in a sentence; empty if they don't. Approvals are not considered."""
    before = await removals_today(context, job.client, job.host, starting=job.id) - rows_left + extra_removals
    if before + rows_left <= cap:
        return ""
    return f"It removes {rows_left:,} learners and {before:,} count for today already; the cap is {cap:,} a day."


async def check_daily_cap(context: Context, job: Job, rows_left: int, *, cap: int) -> None:
    """Check that the job may go on today. Raises ConsentMissing."""
    if why := await daily_cap_problem(context, job, rows_left, cap=cap):
        total = await removals_today(context, job.client, job.host, starting=job.id)
        raise ConsentMissing(
            f"Job {job.id} can't go on today. {why} Nothing was sent.",
            hint=f"Wait a day, or give --max-removals {total} if that is meant.",
            page_hint=f"Wait a day, or let an admin set max_removals to {total} on the server.",
        )
