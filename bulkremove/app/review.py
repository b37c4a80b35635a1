"""Review: a person looks at what is left of a job before it goes on (docs/decisions/0011-consent.md)."""

from __future__ import annotations

from contextlib import suppress

from bulkremove.app.consent import check_four_eyes
from bulkremove.app.context import Context
from bulkremove.app.protected_list import protected_learners, shrunk_list_text
from bulkremove.config import Settings
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import DAY_SECONDS, Epoch, seconds_between
from bulkremove.domain.errors import ConsentMissing, FileRefused, JobBusy, JobUnsuitable, SettingsError
from bulkremove.domain.job import EndReason, FrontEnd, Job
from bulkremove.report.summary import duration
from bulkremove.storage.interface.records import Act, Record


def check_reviewed(
    job: Job,
    rows_left: int,
    *,
    rows_reviewed: int | None,
    by: str,
    settings: Settings,
    now: Epoch,
    front_end: FrontEnd,
) -> None:
    """Check that a person has looked at a job before it goes on, if that is needed. Raises ConsentMissing.

    ``rows_reviewed``: the number of rows left that the person ``by`` saw; None if nobody looked. Under ``four_eyes``
    who prepared the plan can't renew the consent alone, nor go on with what a person paused.
    """
    if rows_reviewed not in (None, rows_left):
        raise ConsentMissing(f"{rows_reviewed:,} is not the number of rows left ({rows_left:,}). Nothing was sent.")
    if rows_left and job.reason_code is EndReason.PAUSED and front_end is not FrontEnd.NIGHTLY:
        check_four_eyes(job.prepared_by, by, settings)
    why = why_review(job, rows_left, settings=settings, now=now, front_end=front_end)
    if not why:
        return
    if rows_reviewed is not None:
        check_four_eyes(job.prepared_by, by, settings)
        return
    raise ConsentMissing(
        f"Job {job.id} needs review. {why} Nothing was sent.",
        hint=f"Look at its rows, then `bulkremove resume {job.id} --rows {rows_left}`, or cancel it.",
        page_hint=f"Look at its rows, then resume it with the number of rows left, {rows_left:,}, or cancel it.",
    )


def why_review(job: Job, rows_left: int, *, settings: Settings, now: Epoch, front_end: FrontEnd) -> str:
    """Why a person must look at the job before this front end goes on with it, in sentences; empty if nobody must.

    At a terminal nobody sees who paused it or runs it elsewhere, so a command asks for young jobs of others too.
    """
    shrunk = shrunk_list_text(job, settings)
    is_others = front_end is FrontEnd.COMMAND and job.belongs_to_others
    if not rows_left or not (shrunk or is_others or job.needs_review(now)):
        return ""
    return f"{shrunk} {review_text(job, rows_left, now)}".lstrip()


async def hold_for_review(context: Context, job: Job, why: str, *records: Record, by: str) -> bool:
    """Hold a job that nothing may go on with by itself. ``why``: in sentences; ``records``: written with that.

    Returns False where a person runs it, approved it or cancelled it meanwhile: with their own consent.
    """
    now, storage = context.clock.wall(), context.storage

    def check(stored: Job) -> None:
        if (stored.state, stored.last_run_at, stored.due_at) != (job.state, job.last_run_at, job.due_at):
            raise JobUnsuitable(f"Job {job.id} is {stored.state.value} now.")

    with suppress(JobBusy, JobUnsuitable):
        async with storage.claims.hold(job.id):
            with suppress(FileRefused, SettingsError):  # a list that can't be read holds the run itself
                entries = len(protected_learners(context.settings))  # who approves it is told of a shorter one
                await storage.jobs.set_circumstances(job.id, protected=entries)
            act = Act(by, AuditAct.HELD, {"job": job.id}, now)
            return await storage.jobs.hold(job.id, why, *records, act, check=check, at=now)
    return False


def required_row_count(job: Job, rows_left: int, now: Epoch) -> int | None:
    """The number of rows left, if a command must be given it in order to resume the job; else None."""
    return rows_left if rows_left and (job.needs_review(now) or job.belongs_to_others) else None


def review_text(job: Job, rows_left: int, now: Epoch) -> str:
    """What a person must know before an old job goes on: its age, the rows left, and the danger."""
    age = seconds_between(job.last_run_at, now)
    when = f"last ran {long_duration(age)} ago" if age >= 0 else "last ran at a time that lies ahead"
    rows = "1 row is" if rows_left == 1 else f"{rows_left:,} rows are"
    why = f"{job.reason} " if job.belongs_to_others and job.reason else ""
    since = "removed again" if job.is_enrolment else "enrolled anew"
    return f"{why}It {when}, and {rows} left. Learners who were {since} since would be {job.words.done} too."


def long_duration(seconds: float) -> str:
    """Format a duration of up to months: ``30 days``, or as ``report.summary.duration`` below two days."""
    return f"{seconds / DAY_SECONDS:.0f} days" if seconds >= 2 * DAY_SECONDS else duration(seconds)
