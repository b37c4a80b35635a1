"""The caps: of removals on a calendar day, and of a file's invalid rows; whether a plan or a job stays within them.

A plan over a cap is refused as a whole; it is never run up to the cap.
"""

from __future__ import annotations

from bulkremove.app.context import Context
from bulkremove.config import Settings
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import CapExceeded
from bulkremove.domain.event_names import EventName
from bulkremove.domain.job import Job, JobState
from bulkremove.domain.leavers_list import says_why_unknown
from bulkremove.domain.operation import ENROLL_LEARNER, REMOVE_LEARNER
from bulkremove.domain.plan import Plan
from bulkremove.domain.plural import pluralize
from bulkremove.domain.row import Status
from bulkremove.platform.local_time import day_begin
from bulkremove.storage import Storage

ADMIN_CONFIRMS = "an admin confirm this plan on the page, with a reason"
"""Who may let a plan exceed a cap, as messages of the page say it."""


def start_of_today(context: Context) -> Epoch:
    """When this machine's calendar day began, or later: a bundled sandbox has removed nobody before its start."""
    return max(day_begin(context.clock.wall()), context.counted_from)


async def removals_today(
    context: Context, client: str, host: str, *, operation: str = REMOVE_LEARNER.name, starting: str = ""
) -> int:
    """How many calls of an operation count for this calendar day: those sent, and those confirmed and still to be sent.

    What a journal that was restored and accepted today may have lost counts as well. ``starting``: the id of a job
    whose open rows count whatever its state, and only once.
    """
    storage = context.storage
    if not client or not storage.exists:
        return 0
    return await storage.rows.count_sent_or_to_be_sent(
        client, host, operation, start_of_today(context), starting=starting
    )


async def plan_error(
    context: Context, plan: Plan, settings: Settings, *, extra_removals: int = 0
) -> CapExceeded | None:
    """The error for a plan over a cap; None for a plan within all caps.

    ``settings``: those of its account; ``extra_removals``: removals that would count for today besides. The cap of
    removals holds for a day, since many small files remove as many people as a large one.
    """
    today, lost = await removals_today(context, plan.client, plan.host, operation=plan.operation.name), 0
    if today:  # may have been removed, and a restored journal can't tell
        lost = await context.storage.restore.lost_removals(start_of_today(context))
    today += extra_removals
    cap, max_percent, words = settings.max_removals, settings.max_invalid, plan.operation.words
    learners = pluralize(plan.removals, "learner")
    if today and plan.removals and plan.removals + today > cap:
        counted_text = f"{today - lost:,} were {words.done} or confirmed already"
        if lost:
            counted_text += f", {lost:,} more may have been (the journal was restored, and does not know)"
        return CapExceeded(
            f"The plan {words.does} {learners}, today {counted_text}, and the cap is {cap:,} a day.",
            hint=f"Nothing was sent. If that is meant, give --max-removals {plan.removals + today}, or wait a day.",
            page_hint=f"Nothing was sent. Wait a day, or let {ADMIN_CONFIRMS}.",
        )
    if plan.removals > cap:
        return CapExceeded(
            f"The plan {words.does} {learners}, and the cap is {cap:,}.",
            hint=f"Nothing was sent. If that is meant, give --max-removals {plan.removals} or set max_removals.",
            page_hint=f"Nothing was sent. Shorten the list, or let {ADMIN_CONFIRMS}.",
        )
    # A row whose person Zoho's lists don't hold is no sign of a damaged file, and sends nobody else's.
    invalid = sum(
        exclusion.status is Status.INVALID
        and index not in plan.table.settled
        and not says_why_unknown(plan.table, index)
        for index, exclusion in plan.excluded.items()
    )
    # An enrolment's row is also invalid if the person can only be put back by hand: no sign of a damaged file.
    if plan.operation != ENROLL_LEARNER and 100.0 * invalid > max_percent * len(plan.table):
        return CapExceeded(
            f"{invalid:,} of {len(plan.table):,} rows are invalid, and the cap is {max_percent:g} % of them.",
            hint="Nothing was sent. Correct the file; if the other rows are right anyway, raise --max-invalid.",
            page_hint=f"Nothing was sent. Correct the file, or let {ADMIN_CONFIRMS}.",
        )
    return None


async def job_problem(context: Context, job: Job, rows_left: int, *, cap: int, extra_removals: int = 0) -> str:
    """Why the job may not go on today, in a sentence; empty if it may. ``extra_removals``: removals that count besides.

    An approval is a person's word for the run that follows it, which may exceed the cap on the day on which it runs.
    The waits that the plan announced, for the time window or the day's allowance, belong to that run; a kill does not.
    """
    is_of_approved_run = (
        job.state is JobState.READY or job.is_in_announced_wait or job.last_run_at >= start_of_today(context)
    )
    is_paused_by_person = job.state is JobState.PAUSED and not job.auto_resumable
    is_approved = await last_decision(context.storage, job) is EventName.APPROVED
    if not rows_left or (is_approved and is_of_approved_run and not is_paused_by_person):
        return ""
    return await rows_left_problem(context, job, rows_left, cap=cap, extra_removals=extra_removals)


async def last_decision(storage: Storage, job: Job) -> EventName | None:
    """Whether the job was approved or held last; None if it was neither."""
    events = await storage.jobs.events(job.id)
    decisions = (EventName.APPROVED, EventName.HELD)
    return next((EventName(name) for _, name, _ in reversed(events) if name in decisions), None)


async def rows_left_problem(context: Context, job: Job, rows_left: int, *, cap: int, extra_removals: int = 0) -> str:
    """Why the rows left exceed the cap of today, in a sentence; empty if they don't. Approvals are not considered."""
    before = await _count_with_open_rows(context, job) - rows_left + extra_removals
    if before + rows_left <= cap:
        return ""
    learners = pluralize(rows_left, "learner")
    return f"It {job.words.does} {learners} and {before:,} count for today already; the cap is {cap:,} a day."


async def check_job(context: Context, job: Job, rows_left: int, *, cap: int) -> None:
    """Check that the job may go on today. Raises CapExceeded."""
    if why := await job_problem(context, job, rows_left, cap=cap):
        total = await _count_with_open_rows(context, job)
        raise CapExceeded(
            f"Job {job.id} can't go on today. {why} Nothing was sent.",
            hint=f"Wait a day, or give --max-removals {total} if that is meant.",
            page_hint="Wait a day. Or cancel it, and let an admin confirm what it has not sent.",
        )


async def _count_with_open_rows(context: Context, job: Job) -> int:
    """How many calls of the job's operation count for today, including the job's open rows."""
    return await removals_today(context, job.client, job.host, operation=job.operation, starting=job.id)
